import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { Seed } from '../options.ts';
import { deriveSeed } from '../stream/random.ts';
import { orthogonal } from './orthogonal.ts';

/** What the networks' options have in common. */
export const size = z.int().positive();
export const networkFields = {
  /** Classes, C. @default 10 */
  classes: size.default(10),
  /** Whether the last layer gives logits, for `tf.losses.softmaxCrossEntropy`, in place of probabilities. @default false */
  logits: z.boolean().default(false),
  /** Base of every initial weight. */
  seed: Seed,
};

/** Options of networks that look at images. */
export const imageFields = {
  /** Height, width and channels of an image, [H, W, D]. */
  inputShape: z.tuple([size, size, size]),
  /** What is done with each value first: (x − mean) / deviation. Pixels from 0 to 255 want it. @default none */
  normalise: z.strictObject({ mean: z.number(), deviation: z.number().positive() }).optional(),
};
type Normalise = z.output<typeof imageFields.normalise>;

/** Builds a model. tfjs' initialisers leak tensors; the model's variables outlive the tidy. @returns owned by the caller */
export function built(build: () => tf.LayersModel): tf.LayersModel {
  let model: tf.LayersModel | undefined;
  tf.tidy(() => void (model = build()));
  return model!;
}

/** Puts a layer upon a symbol, or upon several. */
export function applied(
  layer: tf.layers.Layer,
  input: tf.SymbolicTensor | tf.SymbolicTensor[] /* one or more of [B, ...] */,
): tf.SymbolicTensor {
  const output = layer.apply(input);
  assert(output instanceof tf.SymbolicTensor, 'a symbol went in, so a symbol comes out');
  return output;
}

/** The input, normalised if that is asked for. @returns the input's symbol and the one to go on with */
export function imageInput(
  shape: readonly number[],
  normalise: Normalise,
): { readonly image: tf.SymbolicTensor; readonly x: tf.SymbolicTensor } {
  const image = tf.input({ shape: [...shape], name: 'image' }); // [B, H, W, D]
  if (!normalise) return { image, x: image };
  const { mean, deviation } = normalise;
  const rescaling = tf.layers.rescaling({ name: 'normalise', scale: 1 / deviation, offset: -mean / deviation });
  return { image, x: applied(rescaling, image) };
}

/** Glorot's uniform initialiser, for a layer of this name. */
export const glorot = (seed: number, name: string) =>
  tf.initializers.glorotUniform({ seed: deriveSeed(seed, name) | 0 });

/** He's normal initialiser, for a layer of this name that a rectifier follows. */
export const heNormal = (seed: number, name: string) => tf.initializers.heNormal({ seed: deriveSeed(seed, name) | 0 });

/** The classifier at a network's end, [B, ...] -> [B, ..., C]. */
export const classifier = (
  name: string,
  { classes, logits, seed }: { classes: number; logits: boolean; seed: number },
) =>
  tf.layers.dense({
    name,
    units: classes,
    activation: logits ? 'linear' : 'softmax',
    kernelInitializer: glorot(seed, name),
  });

/** An LSTM layer that `fuse` makes fast; call `setOrthogonal` once it is built. */
export const lstmLayer = (options: { name: string; units: number; seed: number; returnSequences: boolean }) =>
  tf.layers.lstm({
    name: options.name,
    units: options.units,
    returnSequences: options.returnSequences,
    recurrentActivation: 'sigmoid', // as Keras, PyTorch and every fused kernel have it; tfjs' default is a hard sigmoid
    kernelInitializer: glorot(options.seed, options.name),
    recurrentInitializer: 'zeros', // replaced by setOrthogonal
    unitForgetBias: true,
  });

/** Gives each of the four gates of an LSTM an orthogonal recurrent matrix: [U, 4U], gate beside gate. */
export function setOrthogonal(layer: tf.layers.Layer, units: number, seed: number): void {
  const values = new Float32Array(units * 4 * units);
  for (let gate = 0; gate < 4; gate++) {
    const matrix = orthogonal(units, deriveSeed(seed, 'gate', gate));
    for (let row = 0; row < units; row++)
      values.set(matrix.subarray(row * units, (row + 1) * units), (row * 4 + gate) * units);
  }
  tf.tidy(() => {
    const [kernel, , ...bias] = layer.getWeights();
    layer.setWeights([kernel!, tf.tensor2d(values, [units, 4 * units]), ...bias]);
  });
}
