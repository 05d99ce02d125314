import * as tf from '@tensorflow/tfjs';
import { ModelError } from '../../errors.ts';
import { findActivation } from '../../model/activation.ts';
import { presample } from '../../presample/presample.ts';
import { shutGate } from '../../resample/tau-gate.ts';
import type { Corpus, Sample } from '../../stream/sample.ts';
import { leastCrossEntropyScale, type ScoredTargets } from './logit-scale.ts';
import { RidgeRegression, type LinearMap, type Rows } from './ridge-regression.ts';

export interface RidgeOptions {
  /** λ, relative to the mean squared length of the centred features: the more, the smaller the weights. */
  readonly penalty: number;
  readonly signal?: AbortSignal | undefined;
}

/** Rows in one product. */
const BATCH = 256;
/** One picture of so many tells how sure the head may be; then the head is computed once more, from all of them. */
const PARTS = 5;

/**
 * Sets a dense softmax head to the ridge regression of the targets on its features: an exact minimum, of which descent
 * over a few hundred pictures finds only the neighbourhood.
 *
 *     W, b = argmin Σ_i c_i ‖p_i − Wᵀ x_i − b‖² + λ ‖W‖²      p_i the target's probabilities, c_i its weight
 *     z = s (Wᵀ x + b)                                        s of least cross-entropy on samples left out of W, b
 *
 * Hoerl & Kennard 1970 (Technometrics 12:55); for s Guo, Pleiss, Sun & Weinberger 2017 (ICML, sec. 4.2). Views of one
 * picture (`id~1`) are left out together. Features of length d take 8 d² bytes, three times, and a time that grows with d³.
 *
 * @param tail one vector in, one dense layer with softmax at its end, whose weights are written
 * @param corpus `x` [d]; `y` a class number, or a row of probabilities, which may be multiplied by a weight
 * @throws {ModelError} when the model is of another form
 * @example
 * const { trunk, tail } = cutModel(model, model.layers[0].name);
 * await using features = await frozenFeatures(corpus, trunk, { memoryBytes: 2 ** 28, batchSize: 32 });
 * await startAtRidge(tail, features, { penalty: 0.1 });
 */
export async function startAtRidge(tail: tf.LayersModel, corpus: Corpus, options: RidgeOptions): Promise<void> {
  const { penalty, signal } = options;
  const { kernel, bias } = denseHead(tail);
  const [features, classes] = kernel.shape as [number, number]; // of a dense layer
  const regression = new RidgeRegression(features, classes);
  const isLeftOut = everyFifth();
  for await (const rows of rowsOf(corpus, classes, (id) => !isLeftOut(id), signal)) await regression.add(rows);
  const kept = regression.solve(penalty);
  const unseen: ScoredTargets[] = [];
  for await (const rows of rowsOf(corpus, classes, isLeftOut, signal)) {
    unseen.push({ scores: await scoresOf(kept, rows), targets: await rows.y.data() });
    await regression.add(rows);
  }
  const scale = leastCrossEntropyScale(unseen, classes);
  const { weights, offsets } = regression.solve(penalty);
  tf.tidy(() => {
    kernel.write(tf.tensor2d(weights, [features, classes]).mul(scale));
    bias?.write(tf.tensor1d(offsets).mul(scale));
  });
}

/** The weights of the dense softmax layer that a tail consists of, dropout left aside. */
function denseHead(tail: tf.LayersModel): { kernel: tf.LayerVariable; bias: tf.LayerVariable | undefined } {
  const [input, output] = [tail.inputs[0]!, tail.outputs[0]!];
  const layers = tail.layers.filter((layer) => layer.weights.length > 0);
  const [kernel, bias] = layers[0]?.weights ?? [];
  const isHead =
    layers.length === 1 &&
    layers[0]!.getClassName() === 'Dense' &&
    input.shape.length === 2 &&
    findActivation(output).activation === 'softmax';
  if (isHead) return { kernel: kernel!, bias };
  throw new ModelError(
    `Model \`${tail.name}\`: expected a head of one dense softmax layer on a vector, for \`ridge\`, got ${layers.map((layer) => layer.getClassName()).join(', ') || 'no layer with weights'} on [${input.shape.map((axis) => axis ?? 'any').join(', ')}]. Use \`withHead\`, or leave \`ridge\` out.`,
    { model: tail.name },
  );
}

/** Whether a picture is the second of five, in the order in which they come first; its views go with it. */
function everyFifth(): (id: string) => boolean {
  const numbers = new Map<string, number>();
  return (id) => {
    const [picture = id] = id.split('~', 1);
    const number = numbers.get(picture) ?? numbers.size;
    numbers.set(picture, number);
    return number % PARTS === 1;
  };
}

/** Rows of the pictures that are wanted; theirs while the loop is at them. */
async function* rowsOf(
  corpus: Corpus,
  classes: number,
  isWanted: (id: string) => boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<Rows, void, void> {
  const { schema } = corpus;
  const fill = presample({ schema, gate: shutGate(), presampleSize: BATCH, batchSize: BATCH });
  const samples = corpus.samples({ seed: 0, epochs: 1, shuffle: false, ...(signal && { signal }) });
  async function* wanted(): AsyncGenerator<Sample, void, void> {
    for await (const sample of samples) if (isWanted(sample.id)) yield sample;
  }
  for await (const batch of fill(wanted())) {
    const given = batch.tensor('y');
    const y = given.rank === 1 ? tf.tidy(() => tf.oneHot(given as tf.Tensor1D, classes).toFloat()) : given;
    try {
      yield { x: batch.tensor('x') as tf.Tensor2D, y: y as tf.Tensor2D };
    } finally {
      if (y !== given) y.dispose();
      batch.release();
    }
  }
}

/** [n, C], row by row. */
async function scoresOf({ weights, offsets }: LinearMap, { x }: Rows): Promise<ArrayLike<number>> {
  const scores = tf.tidy(() => tf.matMul(x, tf.tensor2d(weights, [x.shape[1], offsets.length])).add(offsets));
  const values = await scores.data();
  scores.dispose();
  return values;
}
