import type * as tf from '@tensorflow/tfjs';
import { OptionsError } from '../../errors.ts';
import { softTargets } from '../../corpus/soft-targets.ts';
import { compiledParts } from '../../model/compiled.ts';
import type { Corpus } from '../../stream/sample.ts';
import type { FineTuningOptions } from './fine-tuning-options.ts';

/** What a round's targets are made of, and the loss that goes with them. */
export interface TailTargets {
  readonly loss: Parameters<tf.LayersModel['compile']>[0]['loss'];
  train(this: void, corpus: Corpus): Promise<Corpus>;
  validation(this: void, corpus: Corpus): Corpus;
}

/**
 * Class numbers as they are, or as rows of probabilities where something must be mixed, smoothed or weighed; validation
 * is never smoothed or weighed.
 *
 * @throws {OptionsError} when the loss takes no class numbers
 */
export function targetsOf(model: tf.LayersModel, options: FineTuningOptions): TailTargets {
  const { labelSmoothing: smoothing, mixup, classWeights } = options;
  const { loss } = compiledParts(model);
  if (smoothing === 0 && mixup === 0 && classWeights === 'none')
    return { loss: loss as TailTargets['loss'], train: async (corpus) => corpus, validation: (corpus) => corpus };
  const classes = model.outputs[0]!.shape.at(-1) ?? 0;
  if (loss !== 'sparseCategoricalCrossentropy')
    throw new OptionsError(
      'fit(): `fineTuning.labelSmoothing`, `mixup` and `classWeights` need the loss `sparseCategoricalCrossentropy`: they make its class numbers into probabilities.',
    );
  return {
    loss: 'categoricalCrossentropy',
    train: async (corpus) => {
      const weights = classWeights === 'balanced' ? await balanced(corpus, classes) : classWeights;
      const given = weights === 'none' ? {} : { classWeights: [...weights] };
      return softTargets(corpus, { classes, smoothing, mixup, ...given });
    },
    validation: (corpus) => softTargets(corpus, { classes }),
  };
}

/** n / (C n_c): each class weighs as much as any other, and the mean weight of a sample is 1. */
async function balanced(corpus: Corpus, classes: number): Promise<number[]> {
  const counts = Array.from({ length: classes }, () => 0);
  let total = 0;
  for await (const { y } of corpus.samples({ seed: 0, epochs: 1, shuffle: false })) {
    if (typeof y === 'number' && y in counts) counts[y]! += 1;
    total += 1;
  }
  return counts.map((count) => (count === 0 ? 0 : total / (classes * count)));
}

/** Compiles the part that is trained as the whole was compiled, but for its targets. */
export function compileTail(model: tf.LayersModel, tail: tf.LayersModel, { loss }: TailTargets): void {
  const { metrics } = model as unknown as { metrics?: string[] }; // as they were given to `compile`
  tail.compile({ optimizer: model.optimizer, loss, ...(metrics && { metrics }) });
}
