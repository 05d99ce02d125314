import * as tf from '@tensorflow/tfjs';
import { CorpusError } from '../../errors.ts';
import { RowStore, type RowStoreOptions } from '../../corpus/row-store.ts';
import { augmentPixels, augmentRng, expectPictures, type Augmentation } from '../../corpus/augment/augment.ts';
import { compile } from '../../engine/compile.ts';
import { bindColumns, feedOf } from '../../model/binding.ts';
import { presample } from '../../presample/presample.ts';
import { shutGate } from '../../resample/tau-gate.ts';
import { gatherRows, rowSize } from '../../stream/columns.ts';
import { fixedSchema } from '../../stream/steps.ts';
import type { Presample } from '../../stream/presample.ts';
import type { Corpus, Sample } from '../../stream/sample.ts';

export interface FrozenFeatureOptions extends RowStoreOptions {
  /** Samples in one forward pass. */
  readonly batchSize: number;
  /** Features kept of each sample: of as many augmentations, or of as many passes over a corpus that augments itself. @default 1 */
  readonly views?: number;
  /** How pixels are augmented in each view but the first. @default the corpus does it itself, if at all */
  readonly augment?: Augmentation | undefined;
  /** Base of the augmentation. @default 0 */
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Computes what the frozen part of a network makes of each sample, once, in inference mode, and keeps it: a corpus with
 * the features as `x`, which is read at the speed of memory (or of the disk past `memoryBytes`). Ids stay what they
 * were; those of further views end in `~1`, `~2`, ….
 *
 * @param trunk borrowed; one output
 * @returns owned by the caller: dispose it
 * @throws {ShapeError} when the corpus does not fit the network
 * @throws {CorpusError} when the corpus is empty
 * @example
 * const { trunk } = cutModel(model, model.layers[0].name);
 * const features = await frozenFeatures(corpus, trunk, { memoryBytes: 2 ** 28, batchSize: 32 });
 */
export async function frozenFeatures(
  corpus: Corpus,
  trunk: tf.LayersModel,
  options: FrozenFeatureOptions,
): Promise<RowStore> {
  const { batchSize, views = 1, augment, seed = 0, signal } = options;
  const { schema } = corpus;
  const binding = bindColumns(trunk, schema);
  const [output] = trunk.outputs;
  const shape = output!.shape.slice(1).map((axis) => axis ?? 0);
  const store = new RowStore({ ...corpus, schema: { ...schema, x: { type: 'float32', shape } } }, options);
  const forward = compile((inputs: readonly tf.Tensor[]) => trunk.apply([...inputs], { training: false }) as tf.Tensor);
  const fill = presample({ schema, gate: shutGate(), presampleSize: batchSize, batchSize });
  const pass = { seed, shuffle: false, ahead: 4 * batchSize, ...(signal && { signal }) }; // decoded while others are computed
  const samples = augment
    ? augmented(corpus, corpus.samples({ ...pass, epochs: 1 }), augment, { seed, views })
    : corpus.samples({ ...pass, epochs: views });
  const nameOf = augment ? asItIs : viewNames();
  try {
    for await (const batch of fill(samples)) {
      const features = tf.tidy(() => forward(feedOf(trunk, binding, batch).inputs));
      try {
        await addRows(store, batch, (await features.data()) as Float32Array, nameOf);
      } finally {
        features.dispose();
        batch.release();
      }
    }
    if (store.length > 0) return store;
    throw new CorpusError(
      `frozenFeatures(): expected samples in corpus \`${corpus.name}\`, got none. Give a corpus that is not empty.`,
    );
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

const asItIs = (id: string): string => id;

/** Each sample as it is, then its augmentations: decoded once for all of them. */
async function* augmented(
  corpus: Corpus,
  samples: AsyncIterable<Sample>,
  augment: Augmentation,
  { seed, views }: { readonly seed: number; readonly views: number },
): AsyncGenerator<Sample, void, void> {
  expectPictures(`Corpus \`${corpus.name}\``, corpus.schema['x']);
  const { x: spec } = fixedSchema('frozenFeatures()', { x: corpus.schema['x']! });
  for await (const sample of samples) {
    yield sample;
    const pixels = sample['x'] as Uint8Array; // as the schema says
    for (let view = 1; view < views; view++) {
      const x = augmentPixels(pixels, spec!.shape, augment, augmentRng({ seed, epoch: view }, sample.id));
      yield { ...sample, id: `${sample.id}~${view}`, x };
    }
  }
}

/** Names the samples of each pass apart: a new pass begins with the id that the first one began with. */
function viewNames(): (id: string) => string {
  let [first, view]: [string | undefined, number] = [undefined, -1];
  return (id) => {
    first ??= id;
    if (id === first) view += 1;
    return view === 0 ? id : `${id}~${view}`;
  };
}

async function addRows(
  store: RowStore,
  batch: Presample,
  features: Float32Array,
  nameOf: (id: string) => string,
): Promise<void> {
  const size = rowSize(store.schema['x']!);
  const others = Object.keys(store.schema).filter((name) => name !== 'x');
  for (const [row, id] of batch.ids.entries()) {
    const rest = others.map((name) => [name, gatherRows(batch.column(name), [row]).data] as const);
    const x = features.subarray(row * size, (row + 1) * size);
    const sample: Sample = { id: nameOf(id), x, ...Object.fromEntries(rest) };
    await store.add(sample);
  }
}
