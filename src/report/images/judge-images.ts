import * as tf from '@tensorflow/tfjs';
import { CorpusError } from '../../errors.ts';
import { compile } from '../../engine/compile.ts';
import { bindColumns, checkLabels, feedOf } from '../../model/binding.ts';
import { openHead } from '../../model/head.ts';
import { presample } from '../../presample/presample.ts';
import { shutGate } from '../../resample/tau-gate.ts';
import { gatherRows } from '../../stream/columns.ts';
import { fixedSchema } from '../../stream/steps.ts';
import type { Presample } from '../../stream/presample.ts';
import type { Corpus } from '../../stream/sample.ts';

/** What a model makes of one picture. */
export interface JudgedImage {
  readonly id: string;
  /** Its class, as the corpus has it. */
  readonly label: number;
  readonly prediction: number;
  /** The model's probability of its prediction. */
  readonly confidence: number;
  /** The bound of its gradient's norm, by which importance sampling would draw it: 0 where the model is sure and right. */
  readonly score: number;
}

/** A picture that is shown: its pixels are kept. */
export interface ShownImage extends JudgedImage {
  /** [H, W, C], 0 to 255. */
  readonly pixels: Uint8Array;
  /** What its loss would be multiplied with, were it drawn by its score among all the corpus: mean score / score. */
  readonly weight: number;
}

/** What a model makes of a corpus of pictures. */
export interface JudgedCorpus {
  readonly name: string;
  readonly samples: number;
  readonly accuracy: number;
  /** Pictures of class [row] that were taken for class [column]. */
  readonly confusion: readonly (readonly number[])[];
  /** The pictures with the highest scores, the highest first. */
  readonly hardest: readonly ShownImage[];
  /** Height, width and channels of the pixels. */
  readonly shape: readonly number[];
}

export interface JudgeOptions {
  /** Pictures that are kept, with the highest scores. @default 60 */
  readonly top?: number;
  /** @default 32 */
  readonly batchSize?: number;
  readonly signal?: AbortSignal | undefined;
}

type Judged = Omit<ShownImage, 'weight'>;

/**
 * Classifies every picture of a corpus once, in inference mode, and keeps the pixels of those that it finds hardest.
 *
 * @param model compiled for class numbers (`sparseCategoricalCrossentropy`)
 * @throws {CorpusError} when the corpus is empty
 */
export async function judgeImages(
  model: tf.LayersModel,
  corpus: Corpus,
  options: JudgeOptions = {},
): Promise<JudgedCorpus> {
  const { top = 60, batchSize = 32, signal } = options;
  const classes = model.outputs[0]!.shape.at(-1)!;
  const confusion = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  const spec = corpus.schema['x']!;
  const fill = presample({ schema: corpus.schema, gate: shutGate(), presampleSize: batchSize, batchSize });
  const judge = batchJudge(model, corpus);
  let [hardest, samples, right, total]: [Judged[], number, number, number] = [[], 0, 0, 0];
  for await (const batch of fill(corpus.samples({ seed: 0, epochs: 1, shuffle: false, ...(signal && { signal }) })))
    try {
      const judged = await judge(batch);
      for (const { label, prediction, score } of judged) {
        confusion[label]![prediction]! += 1;
        samples += 1;
        if (label === prediction) right += 1;
        total += score;
      }
      const shown = judged
        .map((image, row) => ({ ...image, row }))
        .filter(({ score }) => score >= leastOf(hardest, top));
      const kept = shown.map(({ row, ...image }) => ({
        ...image,
        pixels: Uint8Array.from(gatherRows(batch.column('x'), [row]).data),
      }));
      hardest = [...hardest, ...kept].toSorted((a, b) => b.score - a.score).slice(0, top);
    } finally {
      batch.release();
    }
  if (samples === 0)
    throw new CorpusError(
      `judgeImages(): expected pictures in corpus \`${corpus.name}\`, got none. Give another corpus.`,
    );
  const mean = total / samples;
  return {
    name: corpus.name,
    samples,
    accuracy: right / samples,
    confusion,
    hardest: hardest.map((image) => ({ ...image, weight: image.score > 0 ? mean / image.score : Infinity })),
    shape: fixedSchema('judgeImages()', { x: spec })['x']!.shape,
  };
}

const leastOf = (hardest: readonly Judged[], top: number): number =>
  hardest.length < top ? -1 : (hardest.at(-1)?.score ?? Infinity); // none are kept: none is hard enough

function batchJudge(model: tf.LayersModel, corpus: Corpus) {
  const head = openHead(model);
  const binding = bindColumns(model, corpus.schema);
  const step = compile((inputs: readonly tf.Tensor[], targets: readonly tf.Tensor[]) => {
    const z = head.forward(inputs, false);
    const [p] = head.predictions(z);
    return [tf.argMax(p!, -1), tf.max(p!, -1), head.gradientNorm(z, targets)];
  });
  return async (batch: Presample): Promise<JudgedImage[]> => {
    checkLabels(head, binding, batch);
    const made = tf.tidy(() => {
      const feed = feedOf(model, binding, batch);
      return step(feed.inputs, feed.targets);
    });
    try {
      const [predictions, confidences, scores] = await Promise.all(made.map((tensor) => tensor.data()));
      const { data } = batch.column('y');
      return batch.ids.map((id, row) => ({
        id,
        label: data[row]!,
        prediction: predictions![row]!,
        confidence: confidences![row]!,
        score: scores![row]!,
      }));
    } finally {
      tf.dispose(made);
    }
  };
}
