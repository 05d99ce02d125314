import * as tf from '@tensorflow/tfjs';
import type { ConformanceCase, InputSpec } from './case.ts';
import { layer } from './layer-case.ts';
import { recurrentCases } from './recurrent-cases.ts';

const [batch, steps, features, units] = [2, 5, 3, 6];
const sequence: InputSpec = { shape: [batch, steps, features] };
const image: InputSpec = { shape: [batch, 6, 6, 3] };

/** Every kind of layer that the models use, in training mode, forward and gradient. */
export const layerCases: readonly ConformanceCase[] = [
  ...recurrentCases,
  layer('simpleRNN', () => tf.layers.simpleRNN({ units }), sequence),
  layer('dense', () => tf.layers.dense({ units, activation: 'relu' }), { shape: [batch, features] }),
  layer('dense over steps', () => tf.layers.dense({ units, activation: 'softmax' }), sequence),
  layer('embedding', () => tf.layers.embedding({ inputDim: 7, outputDim: 4 }), {
    shape: [batch, steps],
    low: 0,
    high: 7,
    dtype: 'int32',
  }),
  layer('conv1d', () => tf.layers.conv1d({ filters: 4, kernelSize: 3, padding: 'same' }), sequence),
  layer('conv2d', () => tf.layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu' }), image),
  layer('conv2d, stride 2', () => tf.layers.conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: 'same' }), image),
  layer('conv2dTranspose', () => tf.layers.conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2 }), image),
  layer('depthwiseConv2d', () => tf.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2 }), image),
  layer('separableConv2d', () => tf.layers.separableConv2d({ filters: 4, kernelSize: 3, padding: 'same' }), image),
  layer('batchNormalization', () => tf.layers.batchNormalization(), image, { tolerance: 2e-4 }),
  layer('layerNormalization', () => tf.layers.layerNormalization(), { shape: [batch, 8] }, { tolerance: 2e-4 }),
  layer('maxPooling2d', () => tf.layers.maxPooling2d({ poolSize: 2 }), image),
  layer('averagePooling2d', () => tf.layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }), image),
  layer('globalAveragePooling2d', () => tf.layers.globalAveragePooling2d({}), image),
  // One image: the cpu engine's gradient of a batch takes every image for the first.
  layer('upSampling2d', () => tf.layers.upSampling2d({ size: [2, 2] }), { shape: [1, 6, 6, 3] }),
  layer('leakyReLU', () => tf.layers.leakyReLU({ alpha: 0.2 }), image),
  layer('prelu', () => tf.layers.prelu(), { shape: [batch, 8] }),
];
