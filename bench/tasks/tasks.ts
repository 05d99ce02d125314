/** The tasks of the benches, as pipelines. */
import * as tf from '@tensorflow/tfjs';
import mobyDick from '../../pipelines/moby-dick.ts';
import { definePipeline, type Pipeline } from '../../src/pipeline.ts';
import { mnistCorpora, type MnistOptions } from './mnist.ts';

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

/** An LSTM that reads an image square by square. */
export function pixelLstm(seed: number): tf.Sequential {
  return tf.sequential({
    layers: [
      tf.layers.lstm({
        units: 48,
        inputShape: [49, 1],
        recurrentActivation: 'sigmoid',
        kernelInitializer: initializer(seed, 1),
        recurrentInitializer: initializer(seed, 2),
      }),
      tf.layers.dense({ units: 10, activation: 'softmax', kernelInitializer: initializer(seed, 3) }),
    ],
  });
}

const common = {
  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  batchSize: 64,
  presampleSize: 320,
  tauThreshold: 1.5,
  seconds: 60,
};

const cnn = (name: string, options: MnistOptions) =>
  definePipeline({
    ...common,
    name,
    corpus: () => mnistCorpora(options),
    model: ({ seed }) => smallCnn(seed),
    optimizer: 'momentum',
    learningRate: { kind: 'cosine', rate: 0.05, warmUp: 0.05 },
    weightDecay: 5e-4,
  }) as unknown as Pipeline; // of any corpus

const sizes = { trainSize: 10_000, testSize: 5000 };

/** By name. */
export const tasks: Readonly<Record<string, Pipeline>> = {
  'mnist-cnn': cnn('mnist-cnn', sizes),
  'mnist-flipped': cnn('mnist-flipped', { ...sizes, flipped: 0.2 }),
  'mnist-long-tail': cnn('mnist-long-tail', { trainSize: 60_000, testSize: 5000, imbalance: 100 }),
  'pixel-lstm': definePipeline({
    ...common,
    name: 'pixel-lstm',
    corpus: () => mnistCorpora({ ...sizes, asPixels: true }),
    model: ({ seed }) => pixelLstm(seed),
    optimizer: 'adam',
    learningRate: { kind: 'cosine', rate: 5e-3, warmUp: 0.05 },
    clipNorm: 1,
  }), // of any corpus
  'moby-dick': mobyDick, // of any corpus
};
