import { z } from 'zod';
import { LabelError, OptionsError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { createRng, type Rng } from '../stream/random.ts';
import { rowSize, type ColumnData } from '../stream/columns.ts';
import { fixedSchema } from '../stream/steps.ts';
import type { Corpus, Sample, SampleOptions, SampleStream } from '../stream/sample.ts';

export const SoftTargetOptions = z.strictObject({
  /** Classes of the column `y`. */
  classes: z.int().min(2),
  /** Share of a target that is spread evenly over all the classes, in [0, 1). @default 0 */
  smoothing: z.number().min(0).lt(1).default(0),
  /** Parameter α of the Beta(α, α) from which the share of a partner is drawn; 0 mixes nothing. @default 0 */
  mixup: z.number().min(0).default(0),
  /** What each class' losses are multiplied with, one a class. @default 1 for each */
  classWeights: z.array(z.number().nonnegative()).optional(),
});

/**
 * A corpus whose class numbers `y` become rows of probabilities [classes], for the loss `categoricalCrossentropy`.
 *
 *     smoothing   t = (1 − ε) onehot(y) + ε / C                                   Szegedy et al. 2016, sec. 7
 *     mixup       x = λ x_i + (1 − λ) x_j, t = λ t_i + (1 − λ) t_j, λ ~ Beta(α, α)   Zhang et al. 2018
 *     weights     t ← c_y t, which multiplies the sample's loss and its gradient with c_y
 *
 * A sample's partner is the one before it in the stream. All of this happens before samples are scored: the score is
 * that of the very loss that is trained on, and importance weights are exact on top of it. A mixed sample keeps the id
 * of the first of the two, and x becomes float32.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {LabelError} from the stream, when a label is none of the classes
 * @example
 * const soft = softTargets(corpus, { classes: 6, smoothing: 0.1, mixup: 0.2 });
 */
export function softTargets(corpus: Corpus, options: z.input<typeof SoftTargetOptions>): Corpus {
  const parsed = parseOptions('softTargets()', SoftTargetOptions, options);
  const { classes, classWeights, mixup } = parsed;
  if (classWeights && classWeights.length !== classes)
    throw new OptionsError(
      `softTargets(): \`classWeights\` must be one number a class: expected ${classes}, got ${classWeights.length}.`,
    );
  const targetOf = targets(corpus.name, parsed);
  const x = corpus.schema['x']!;
  const size = mixup > 0 ? rowSize(fixedSchema('softTargets()', { x })['x']!) : 0;
  return {
    name: corpus.name,
    get length() {
      return corpus.length; // of some it is known later
    },
    ...(corpus.partOf && { partOf: corpus.partOf }),
    schema: {
      ...corpus.schema,
      ...(mixup > 0 && { x: { ...x, type: 'float32' } }),
      y: { type: 'float32', shape: [classes] },
    },
    samples(given) {
      const stream = corpus.samples(given);
      const samples = mixup > 0 ? mixed(stream, targetOf, size, given, mixup) : plain(stream, targetOf);
      const { position, epochOf } = stream;
      return Object.assign(samples, {
        ...(epochOf && { epochOf }),
        ...(position && mixup === 0 && { position }), // a mixed stream looks one sample back: it is gone on with by reading again
      });
    },
  };
}

type TargetOf = (sample: Sample) => Float32Array;

function targets(name: string, { classes, smoothing, classWeights }: z.output<typeof SoftTargetOptions>): TargetOf {
  return (sample) => {
    const { y } = sample;
    const label = typeof y === 'number' ? y : Number.NaN;
    if (!(Number.isInteger(label) && label >= 0 && label < classes))
      throw new LabelError(
        `Corpus \`${name}\`: sample ${sample.id}: expected a label of 0 to ${classes - 1} in \`y\`, got ${String(y)}. ` +
          'Correct the corpus, or raise the number of `classes`.',
        { id: sample.id, classes, got: y },
      );
    const weight = classWeights?.[label] ?? 1;
    const target = new Float32Array(classes).fill((weight * smoothing) / classes);
    target[label]! += weight * (1 - smoothing);
    return target;
  };
}

async function* plain(stream: SampleStream, targetOf: TargetOf): AsyncGenerator<Sample, void, void> {
  for await (const sample of stream) yield { ...sample, y: targetOf(sample) };
}

async function* mixed(
  stream: SampleStream,
  targetOf: TargetOf,
  size: number,
  { seed }: SampleOptions,
  alpha: number,
): AsyncGenerator<Sample, void, void> {
  const rng = createRng(seed, 'mixup');
  let before: { x: ColumnData; y: Float32Array } | undefined;
  for await (const sample of stream) {
    const x = floats(sample['x'], size);
    const y = targetOf(sample);
    const own = before ? beta(rng, alpha) : 1;
    const partner = before ?? { x, y };
    before = { x, y };
    yield { ...sample, x: mix(x, partner.x, own), y: mix(y, partner.y, own) };
  }
}

const floats = (value: Sample[string] | undefined, size: number): ColumnData =>
  typeof value === 'object' ? Float32Array.from(value) : new Float32Array(size).fill(Number(value));

const mix = (a: ColumnData, b: ColumnData, share: number): Float32Array =>
  Float32Array.from(a, (value, i) => share * value + (1 - share) * b[i]!);

/** A draw from Beta(α, α), at least ½: a sample stays the larger part of itself. Jöhnk 1964. */
function beta(rng: Rng, alpha: number): number {
  for (;;) {
    const [u, v] = [Math.max(rng.uniform(), 1e-12) ** (1 / alpha), Math.max(rng.uniform(), 1e-12) ** (1 / alpha)];
    if (u + v > 1 || u + v === 0) continue;
    const share = u / (u + v);
    return Math.max(share, 1 - share);
  }
}
