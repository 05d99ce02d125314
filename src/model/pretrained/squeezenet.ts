import * as tf from '@tensorflow/tfjs';
import { namedWeights, takeWeights } from './keras-file.ts';
import { readHdf5 } from './hdf5.ts';

/** Fire modules of SqueezeNet 1.1 (Iandola et al. 2016): channels squeezed to, and expanded to by each branch. */
const fires = [
  { squeeze: 16, expand: 64 },
  { squeeze: 16, expand: 64, poolAfter: true },
  { squeeze: 32, expand: 128 },
  { squeeze: 32, expand: 128, poolAfter: true },
  { squeeze: 48, expand: 192 },
  { squeeze: 48, expand: 192 },
  { squeeze: 64, expand: 256 },
  { squeeze: 64, expand: 256 },
] as const;

/** The layers at which the network may be cut, from the first to the last. */
export const squeezeNetBlocks: readonly string[] = ['pool1', ...fires.map((_, i) => `fire${i + 2}/concat`)];

/** The layer whose output [13, 13, 512] a new classifier stands on. */
export const squeezeNetFeatures = 'fire9/concat';

/**
 * Builds SqueezeNet 1.1 for images [227, 227, 3], BGR less their mean: 1.24 M parameters, a softmax of 1000 ImageNet
 * classes. Layers are named as in the weights' file.
 *
 * @returns owned by the caller
 */
export function squeezeNet(): tf.LayersModel {
  const image = tf.input({ shape: [227, 227, 3], name: 'image' });
  let x = convolution(image, 'conv1', 'relu_conv1', { filters: 64, kernelSize: 3, strides: 2 });
  x = pool(x, 'pool1');
  for (const [i, { squeeze, expand, ...rest }] of fires.entries()) {
    x = fire(x, `fire${i + 2}`, squeeze, expand);
    if ('poolAfter' in rest) x = pool(x, `pool${i + 2}`);
  }
  x = apply(tf.layers.dropout({ rate: 0.5, name: 'drop9' }), x);
  x = convolution(x, 'conv10', 'relu_conv10', { filters: 1000, kernelSize: 1 });
  x = apply(tf.layers.globalAveragePooling2d({ name: 'average', dataFormat: 'channelsLast' }), x);
  x = apply(tf.layers.activation({ activation: 'softmax', name: 'loss' }), x);
  return tf.model({ inputs: image, outputs: x, name: 'squeezenet' });
}

/** Squeezes the channels by 1×1, then expands them by 1×1 and by 3×3, side by side. */
function fire(input: tf.SymbolicTensor, name: string, squeeze: number, expand: number): tf.SymbolicTensor {
  const branch = (x: tf.SymbolicTensor, part: string, filters: number, kernelSize: number) =>
    convolution(x, `${name}/${part}`, `${name}/relu_${part}`, { filters, kernelSize, padding: 'same' });
  const squeezed = branch(input, 'squeeze1x1', squeeze, 1);
  const expanded = [branch(squeezed, 'expand1x1', expand, 1), branch(squeezed, 'expand3x3', expand, 3)];
  return apply(tf.layers.concatenate({ name: `${name}/concat` }), expanded);
}

const convolution = (
  x: tf.SymbolicTensor,
  name: string,
  activation: string,
  options: Parameters<typeof tf.layers.conv2d>[0],
) =>
  apply(
    tf.layers.activation({ activation: 'relu', name: activation }),
    apply(tf.layers.conv2d({ ...options, name }), x),
  );

const pool = (x: tf.SymbolicTensor, name: string) =>
  apply(tf.layers.maxPooling2d({ poolSize: 3, strides: 2, name }), x);

const apply = (layer: tf.layers.Layer, x: tf.SymbolicTensor | tf.SymbolicTensor[]) =>
  layer.apply(x) as tf.SymbolicTensor; // one output

/**
 * Puts the weights of a Keras file of weights alone into the network.
 * @throws {ModelError} when they are another network's
 */
export const takeKerasWeights = (model: tf.LayersModel, bytes: Uint8Array, where: string): Promise<void> =>
  readHdf5(bytes, where, async (file) => takeWeights(model, where, (layer) => namedWeights(file, layer.name, '')));
