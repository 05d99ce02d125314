/** The tasks of the benches, as pipelines. */
import * as tf from '@tensorflow/tfjs';
import { withBitsPerCharacter } from '../../src/model/bits-per-character.ts';
import { charLstm } from '../../src/model/char-lstm.ts';
import { definePipeline, type Pipeline } from '../../src/pipeline.ts';
import { imageCorpora, type ImageOptions } from './images.ts';
import { electricCorpora, heartbeatCorpora, mailLength, novelCorpora, spamCorpora } from './sequences.ts';

const initializer = (seed: number, index: number) => tf.initializers.glorotUniform({ seed: 100 * seed + index });

/** Two convolutions and a dense layer: 1.1 M multiplications an image. */
export function smallCnn(seed: number): tf.Sequential {
  const conv = (filters: number, index: number, input: object = {}) =>
    tf.layers.conv2d({
      ...input,
      filters,
      kernelSize: 3,
      strides: 2,
      padding: 'same',
      activation: 'relu',
      kernelInitializer: initializer(seed, index),
    });
  return tf.sequential({
    layers: [
      conv(16, 1, { inputShape: [28, 28, 1] }),
      conv(32, 2),
      tf.layers.flatten(),
      tf.layers.dense({ units: 64, activation: 'relu', kernelInitializer: initializer(seed, 3) }),
      tf.layers.dense({ units: 10, activation: 'softmax', kernelInitializer: initializer(seed, 4) }),
    ],
  });
}

const lstm = (units: number, seed: number, input: object = {}) =>
  tf.layers.lstm({
    ...input,
    units,
    recurrentActivation: 'sigmoid',
    kernelInitializer: initializer(seed, 1),
    recurrentInitializer: initializer(seed, 2),
  });

const classes = (units: number, seed: number) =>
  tf.layers.dense({ units, activation: 'softmax', kernelInitializer: initializer(seed, 3) });

/** An LSTM that reads an image square by square. */
export const pixelLstm = (seed: number, squares = 49): tf.Sequential =>
  tf.sequential({ layers: [lstm(48, seed, { inputShape: [squares, 1] }), classes(10, seed)] });

/** An LSTM that reads a day's use of electricity. */
const electricLstm = (seed: number): tf.Sequential =>
  tf.sequential({ layers: [lstm(48, seed, { inputShape: [32, 3] }), classes(7, seed)] });

/** An LSTM that reads a heartbeat. */
const heartbeatLstm = (seed: number): tf.Sequential =>
  tf.sequential({ layers: [lstm(48, seed, { inputShape: [35, 4] }), classes(5, seed)] });

/** An LSTM that reads a mail eight bytes at a time. */
const mailLstm = (seed: number): tf.Sequential =>
  tf.sequential({
    layers: [
      tf.layers.embedding({
        inputDim: 256,
        outputDim: 16,
        inputLength: mailLength,
        embeddingsInitializer: tf.initializers.randomUniform({ minval: -0.05, maxval: 0.05, seed: 100 * seed + 4 }),
      }),
      tf.layers.conv1d({
        filters: 32,
        kernelSize: 8,
        strides: 4,
        activation: 'relu',
        kernelInitializer: initializer(seed, 5),
      }),
      lstm(32, seed),
      classes(2, seed),
    ],
  });

const common = {
  loss: 'sparseCategoricalCrossentropy',
  batchSize: 64,
  presampleSize: 320,
  tauThreshold: 1.5,
  seconds: 60,
};

const cnn = (name: string, options: ImageOptions) =>
  definePipeline({
    ...common,
    name,
    metrics: ['accuracy'],
    corpus: () => imageCorpora(options),
    model: ({ seed }) => smallCnn(seed),
    optimizer: 'momentum',
    learningRate: { kind: 'cosine', rate: 0.05, warmUp: 0.05 },
    weightDecay: 5e-4,
  }) as unknown as Pipeline; // of any corpus

/** An LSTM that classifies, by Adam. */
const recurrent = (
  name: string,
  corpus: () => ReturnType<Pipeline['openCorpus']>,
  model: (seed: number) => tf.LayersModel,
) =>
  definePipeline({
    ...common,
    name,
    metrics: ['accuracy'],
    corpus,
    model: ({ seed }) => model(seed),
    optimizer: 'adam',
    learningRate: { kind: 'cosine', rate: 5e-3, warmUp: 0.05 },
    clipNorm: 1,
  });

const novel = (name: string, flipped: number) =>
  definePipeline({
    ...common,
    name,
    corpus: () => novelCorpora({ flipped }),
    model: ({ corpus, seed }) => charLstm({ vocabularySize: corpus.vocabulary.size, units: 128, seed }),
    optimizer: 'adam',
    learningRate: { kind: 'cosine', rate: 6e-3, warmUp: 0.05 },
    clipNorm: 1,
    presampleSize: 96,
    batchSize: 32,
    validationSamples: 512,
    deriveMeasures: withBitsPerCharacter,
  }) as unknown as Pipeline; // of any corpus

const sizes = { trainSize: 10_000, testSize: 5000 };
const fashion = { of: 'fashion', trainSize: 20_000, testSize: 10_000 } as const;
const mnist = { of: 'mnist', ...sizes } as const;
const pixels = { ...mnist, asPixels: true };

/** By name; with a fifth of the labels wrong, `-flipped`. */
export const tasks: Readonly<Record<string, Pipeline>> = {
  'fashion-cnn': cnn('fashion-cnn', fashion),
  'pixel-lstm': recurrent(
    'pixel-lstm',
    () => imageCorpora(pixels),
    (seed) => pixelLstm(seed),
  ),
  'moby-dick': novel('moby-dick', 0),
  'electric-devices': recurrent('electric-devices', () => electricCorpora({}), electricLstm),
  ecg5000: recurrent('ecg5000', heartbeatCorpora, heartbeatLstm),
  'spam-assassin': recurrent('spam-assassin', () => spamCorpora({}), mailLstm),
  'mnist-cnn': cnn('mnist-cnn', mnist),
  'mnist-long-tail': cnn('mnist-long-tail', { of: 'mnist', trainSize: 60_000, testSize: 5000, imbalance: 100 }),
  'fashion-cnn-flipped': cnn('fashion-cnn-flipped', { ...fashion, flipped: 0.2 }),
  'pixel-lstm-flipped': recurrent(
    'pixel-lstm-flipped',
    () => imageCorpora({ ...pixels, flipped: 0.2 }),
    (seed) => pixelLstm(seed),
  ),
  'moby-dick-flipped': novel('moby-dick-flipped', 0.2),
  'electric-devices-flipped': recurrent(
    'electric-devices-flipped',
    () => electricCorpora({ flipped: 0.2 }),
    electricLstm,
  ),
  'spam-assassin-flipped': recurrent('spam-assassin-flipped', () => spamCorpora({ flipped: 0.2 }), mailLstm),
  'mnist-flipped': cnn('mnist-flipped', { ...mnist, flipped: 0.2 }),
};
