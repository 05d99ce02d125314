/**
 * What the compiler knows of the public names: this file is not run, `npm run types` compiles it. Each
 * `@ts-expect-error` is a mistake that it must catch.
 */
import type { Readable } from 'node:stream';
import * as tf from '@tensorflow/tfjs';
import {
  charLstm,
  compile,
  corpus,
  definePipeline,
  fit,
  fitImportance,
  isTaustreamError,
  minibatches,
  presample,
  resample,
  tauGate,
  textCorpus,
  useEngine,
  type Corpus,
  type ErrorCode,
  type FitSummary,
  type Minibatch,
  type Presample,
  type Sample,
  type Scheme,
  type Scored,
  type Scorer,
  type Stage,
  type WeightedBatch,
} from 'taustream';

/** Fails to compile unless both types are the same. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the compiler compares the two as functions of any T
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_isSame: Same<A, B>): void => {};

declare const model: tf.LayersModel;
declare const train: Corpus;
declare const scorer: Scorer;

export async function training(): Promise<void> {
  const summary = await fit(model, train, { steps: 5, seed: 7, scheme: 'upper-bound', learningRate: 0.1 });
  same<typeof summary, FitSummary>(true);
  const history = await fitImportance(model, tf.data.array([{ xs: [1], ys: [2] }]).batch(1), { epochs: 1 });
  same<typeof history, tf.History>(true);
  await fit(model, train, { steps: 5, onMinibatch: (batch) => same<typeof batch, Minibatch>(true) });
  // @ts-expect-error a misspelt option
  await fit(model, train, { step: 5 });
  // @ts-expect-error a size is a number
  await fit(model, train, { batchSize: '32' });
  // @ts-expect-error a schedule of that kind is unknown
  await fit(model, train, { learningRate: { kind: 'quadratic', rate: 0.1 } });
  // @ts-expect-error samples are no corpus
  await fit(model, [{ id: 'a', x: 1 }], { steps: 5 });
}

export async function stages(samples: AsyncIterable<Sample>): Promise<void> {
  const gate = tauGate({ tauThreshold: 1.5 });
  const fill = presample({ schema: train.schema, gate });
  same<typeof fill, Stage<Sample, Presample>>(true);
  same<ReturnType<typeof resample>, Stage<Scored, Minibatch>>(true);
  // @ts-expect-error a stage of scored presamples does not take samples
  resample({ gate, seed: 7 })(samples);
  // @ts-expect-error without a schema it does not know the columns
  presample({ gate });
  for await (const buffer of fill(samples)) same<typeof buffer.ids, readonly string[]>(true);
}

export async function consumers(): Promise<void> {
  await using batches = minibatches(train, { batchSize: 32, scorer, seed: 7 });
  same<ReturnType<typeof batches.readable>, Readable>(true);
  for await (const batch of batches) {
    same<typeof batch, WeightedBatch>(true);
    same<typeof batch.weights, Float32Array>(true);
    // @ts-expect-error weights are read
    batch.weights = new Float32Array(1);
  }
  const mine: Scorer = { score: async (buffer) => new Float32Array(buffer.size) };
  // @ts-expect-error scores are one number a sample, as Float32Array
  const notMine: Scorer = { score: async (buffer) => buffer.ids };
  void [mine, notMine];
}

export async function engines(): Promise<void> {
  const { name } = await useEngine('auto');
  same<typeof name, 'tensorflow' | 'webgpu' | 'wasm' | 'cpu'>(true);
  const step = compile((x: tf.Tensor2D, rate: tf.Scalar) => ({ scaled: x.mul<tf.Tensor2D>(rate) }));
  same<typeof step, (x: tf.Tensor2D, rate: tf.Scalar) => { scaled: tf.Tensor2D }>(true);
  // @ts-expect-error a compiled step takes tensors, not numbers
  compile((x: tf.Tensor2D, rate: number) => x.mul(rate));
  // @ts-expect-error no engine of that name
  await useEngine('cuda');
}

export const pipelineOfText = definePipeline({
  name: 'text',
  async corpus() {
    const text = await textCorpus({ path: 'text.txt', window: 64 });
    return { ...text.split({ validation: 0.1 }), vocabulary: text.vocabulary };
  },
  // what `corpus` gives is known here
  model: ({ corpus: { vocabulary }, seed }) => charLstm({ vocabularySize: vocabulary.size, seed }),
});

export const misspelt = definePipeline({
  name: 'text',
  corpus: async () => ({ train: await corpus('text') }),
  // @ts-expect-error the corpus has no vocabulary
  model: ({ corpus: { vocabulary } }) => charLstm({ vocabularySize: vocabulary.size }),
});

export function errors(error: unknown): ErrorCode | undefined {
  // @ts-expect-error no error has that code
  if (isTaustreamError(error) && error.code === 'ERR_NONE') return undefined;
  return isTaustreamError(error) ? error.code : undefined;
}

// @ts-expect-error a scheme has a name
export const nameless: Scheme = { score: undefined };
