import * as tf from '@tensorflow/tfjs';
import { charLstm } from '../../model/char-lstm.ts';
import { pixelLstm } from '../../model/pixel-lstm.ts';
import { sequenceClassifier } from '../../model/sequence-classifier.ts';
import { smallCnn } from '../../model/small-cnn.ts';
import { textClassifier } from '../../model/text-classifier.ts';
import { wideResnet } from '../../model/wide-resnet.ts';
import { fuse } from '../layers/fuse.ts';
import { type InputSpec, inputTensor } from './case.ts';

/** A small model of a kind that is trained in earnest, with a batch for it. */
export interface ZooModel {
  readonly name: string;
  build(): tf.LayersModel;
  readonly x: InputSpec;
  /** Classes, one for each place of the model's output but the last axis. */
  readonly y: InputSpec;
  readonly classes: number;
}

const characters = 11;

/** The model of this package: an embedding, two LSTM layers that are made fast, dropout between them. */
function characterLstm(): tf.LayersModel {
  const options = { units: 12, layers: 2, embedding: 6, dropout: 0.2, window: 9, seed: 1 } as const;
  return fused(charLstm({ vocabularySize: characters, ...options }));
}

function fused(model: tf.LayersModel): tf.LayersModel {
  fuse(model);
  return model;
}

/** Layers that the package's own networks do not have. */
const separableCnn = (): tf.LayersModel =>
  tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 6, kernelSize: 3, padding: 'same', activation: 'relu', inputShape: [8, 8, 1] }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.separableConv2d({ filters: 8, kernelSize: 3, padding: 'same', activation: 'relu' }),
      tf.layers.averagePooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 4, activation: 'softmax' }),
    ],
  });

const mlp = (): tf.LayersModel =>
  tf.sequential({
    layers: [
      tf.layers.dense({ units: 16, activation: 'tanh', inputShape: [10] }),
      tf.layers.dense({ units: 16, activation: 'relu' }),
      tf.layers.dense({ units: 4, activation: 'softmax' }),
    ],
  });

const labels = (shape: readonly number[], below: number): InputSpec => ({ shape, low: 0, high: below, dtype: 'int32' });

export const zoo: readonly ZooModel[] = [
  {
    name: 'char LSTM',
    build: characterLstm,
    x: labels([4, 9], characters),
    y: labels([4, 9], characters),
    classes: characters,
  },
  { name: 'separable CNN', build: separableCnn, x: { shape: [6, 8, 8, 1] }, y: labels([6], 4), classes: 4 },
  {
    name: 'small CNN',
    build: () => smallCnn({ inputShape: [8, 8, 1], filters: [4, 6], units: 8, classes: 4, seed: 1 }),
    x: { shape: [6, 8, 8, 1] },
    y: labels([6], 4),
    classes: 4,
  },
  {
    // The name seeds the numbers: with these every value that enters a ReLU in the first step is further than 1e-4 from 0.
    // Where one lies within rounding of the kink (5e-7 did), a gradient is whole on one engine and 0 on the next, and
    // `cpu` itself, its inputs larger by a part in 3e6, ends ten steps 4.5e-3 from `cpu`, as far as any engine.
    name: 'WRN-10-1',
    build: () => wideResnet({ inputShape: [4, 4, 3], depth: 10, width: 1, classes: 4, seed: 1 }),
    x: { shape: [6, 4, 4, 3] },
    y: labels([6], 4),
    classes: 4,
  },
  {
    name: 'pixel LSTM',
    build: () => fused(pixelLstm({ inputShape: [4, 4, 1], units: 6, classes: 4, seed: 1 })),
    x: { shape: [6, 4, 4, 1] },
    y: labels([6], 4),
    classes: 4,
  },
  {
    name: 'sequence classifier',
    build: () => fused(sequenceClassifier({ features: 3, steps: 7, units: 6, layers: 2, classes: 4, seed: 1 })),
    x: { shape: [6, 7, 3] },
    y: labels([6], 4),
    classes: 4,
  },
  {
    name: 'text classifier',
    build: () => textClassifier({ vocabularySize: 12, embedding: 5, textLength: 7, classes: 4, seed: 1 }),
    x: labels([6, 7], 12),
    y: labels([6], 4),
    classes: 4,
  },
  { name: 'MLP', build: mlp, x: { shape: [8, 10] }, y: labels([8], 4), classes: 4 },
];

/** Builds the model with the same weights on every engine: batch norm's keep their start, which is what makes it train. */
export function buildSeeded(model: ZooModel): tf.LayersModel {
  const built = model.build();
  tf.tidy(() => {
    for (const [i, layer] of built.layers.entries()) {
      if (layer.getClassName() === 'BatchNormalization') continue;
      const weights = layer.getWeights().map(({ shape }, j) => {
        const fanIn = Math.max(1, tf.util.sizeFromShape(shape.slice(0, -1)));
        const limit = Math.sqrt(3 / fanIn);
        return inputTensor({ shape, low: -limit, high: limit }, `${model.name} ${i} ${j}`);
      });
      layer.setWeights(weights);
    }
  });
  return built;
}

/** The batch: inputs, and targets as one-hot rows. */
export function batchOf(model: ZooModel): { readonly x: tf.Tensor; readonly y: tf.Tensor } {
  const y = inputTensor(model.y, `${model.name} y`);
  const oneHot = tf.tidy(() => tf.oneHot(y, model.classes).toFloat());
  y.dispose();
  return { x: inputTensor(model.x, `${model.name} x`), y: oneHot };
}
