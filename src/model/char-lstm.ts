import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { parseOptions, Seed } from '../options.ts';
import { deriveSeed } from '../stream/random.ts';
import { SeededDropout } from './dropout.ts';
import { applied, built, glorot, lstmLayer, setOrthogonal, size } from './seeded-layers.ts';

export const CharLstmOptions = z.strictObject({
  /** Characters known, V. */
  vocabularySize: size.max(2 ** 24),
  /** Width of each LSTM layer, U. @default 128 – guess */
  units: size.default(128),
  /** LSTM layers, one upon the other. @default 1 */
  layers: size.default(1),
  /** Width of the learned embedding, or `one-hot`: each character is its own axis. @default 'one-hot' */
  embedding: z.union([size, z.literal('one-hot')]).default('one-hot'),
  /** Share of each LSTM layer's outputs that a training step drops, 0 to below 1. @default 0 */
  dropout: z.number().min(0).lt(1).default(0),
  /** Characters in a window, T; any length if absent. */
  window: size.optional(),
  /** Base of every initial weight and dropout mask. */
  seed: Seed,
});

/**
 * Builds a character LSTM: each character's probabilities given those before it. A stock tfjs model, `int32 [B, T]` in,
 * softmax `[B, T, V]` out, so it can be saved, loaded and served without this package.
 *
 * @returns owned by the caller: `dispose()` it
 * @throws {OptionsError} when an option is unknown or out of range
 *
 * @example const model = charLstm({ vocabularySize: 87, units: 128, layers: 2, seed: 7 });
 */
export function charLstm(options: z.input<typeof CharLstmOptions>): tf.LayersModel {
  const o = parseOptions('charLstm()', CharLstmOptions, options);
  return built(() => build(o));
}

function build(o: Options): tf.LayersModel {
  const input = tf.input({ shape: [o.window ?? null], dtype: 'int32', name: 'characters' }); // [B, T]
  let hidden = applied(embedding(o), input); // [B, T] -> [B, T, E]
  for (let layer = 1; layer <= o.layers; layer++) {
    hidden = applied(lstmLayer({ ...o, name: `lstm_${layer}`, returnSequences: true }), hidden); // [B, T, E or U] -> [B, T, U]
    const seed = deriveSeed(o.seed, 'dropout', layer);
    if (o.dropout > 0) hidden = applied(new SeededDropout({ name: `dropout_${layer}`, rate: o.dropout, seed }), hidden);
  }
  const head = tf.layers.dense({
    name: 'next_character',
    units: o.vocabularySize,
    activation: 'softmax',
    kernelInitializer: glorot(o.seed, 'head'),
  });
  const model = tf.model({ inputs: input, outputs: applied(head, hidden), name: 'char_lstm' });
  for (let layer = 1; layer <= o.layers; layer++)
    setOrthogonal(model.getLayer(`lstm_${layer}`), o.units, deriveSeed(o.seed, layer));
  return model;
}

type Options = z.output<typeof CharLstmOptions>;

/** One-hot is an embedding too, with an identity matrix that is not trained: then the saved model is a stock one. */
function embedding({ vocabularySize, embedding: width, seed }: Options): tf.layers.Layer {
  const oneHot = width === 'one-hot';
  return tf.layers.embedding({
    name: oneHot ? 'one_hot' : 'embedding',
    inputDim: vocabularySize,
    outputDim: oneHot ? vocabularySize : width,
    trainable: !oneHot,
    embeddingsInitializer: oneHot
      ? tf.initializers.identity({})
      : tf.initializers.randomUniform({ minval: -0.05, maxval: 0.05, seed: deriveSeed(seed, 'embedding') | 0 }),
  });
}
