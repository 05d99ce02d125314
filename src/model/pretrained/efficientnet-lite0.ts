import * as tf from '@tensorflow/tfjs';
import { ModelError } from '../../errors.ts';
import type { HostTensor } from './torch-file.ts';

/** Stages of EfficientNet-Lite0 (Tan & Le 2019; Lite: no squeeze-and-excitation, ReLU6, stem and head unscaled). */
const stages = [
  { repeats: 1, kernel: 3, stride: 1, expand: 1, filters: 16 },
  { repeats: 2, kernel: 3, stride: 2, expand: 6, filters: 24 },
  { repeats: 2, kernel: 5, stride: 2, expand: 6, filters: 40 },
  { repeats: 3, kernel: 3, stride: 2, expand: 6, filters: 80 },
  { repeats: 3, kernel: 5, stride: 1, expand: 6, filters: 112 },
  { repeats: 4, kernel: 5, stride: 2, expand: 6, filters: 192 },
  { repeats: 1, kernel: 3, stride: 1, expand: 6, filters: 320 },
] as const;

/** ε of every batch normalisation, as in the weights' own code. */
const EPSILON = 1e-3;
const SIZE = 224;

interface Block {
  readonly name: string;
  readonly kernel: number;
  readonly stride: number;
  readonly expand: number;
  readonly from: number;
  readonly to: number;
}

/** The blocks, one a layer of depth. */
const blocks: readonly Block[] = stages
  .flatMap(({ repeats, ...stage }, i) =>
    Array.from({ length: repeats }, (_, repeat) => ({
      ...stage,
      stride: repeat === 0 ? stage.stride : 1,
      from: repeat === 0 ? (stages[i - 1]?.filters ?? 32) : stage.filters,
      to: stage.filters,
    })),
  )
  .map((block, i) => ({ ...block, name: `block_${i}` }));

/** The layers at which the network may be cut, from the first block to the last; each gives a block's output. */
export const efficientNetBlocks: readonly string[] = ['stem', ...blocks.map(({ name }) => name), 'top'];

/** The layer whose output [1280] is what the classifier sees. */
export const efficientNetFeatures = 'features';

/**
 * Builds EfficientNet-Lite0 for images [224, 224, 3] of (pixel − 127) / 128, RGB: 4.65 M trainable parameters and
 * 42 thousand statistics, logits of 1000 ImageNet classes through a softmax. Its weights are those of the initializers.
 *
 * @returns owned by the caller
 */
export function efficientNetLite0(): tf.LayersModel {
  const image = tf.input({ shape: [SIZE, SIZE, 3], name: 'image' });
  let x = activated(convolution(image, 'stem', { filters: 32, kernel: 3, stride: 2 }), 'stem');
  for (const block of blocks) x = inverted(x, block);
  x = activated(convolution(x, 'top', { filters: 1280, kernel: 1, stride: 1 }), 'top');
  x = apply(tf.layers.globalAveragePooling2d({ name: efficientNetFeatures, dataFormat: 'channelsLast' }), x);
  x = apply(tf.layers.dense({ units: 1000, activation: 'softmax', name: 'classes' }), x);
  return tf.model({ inputs: image, outputs: x, name: 'efficientnet_lite0' });
}

/** Expand, depthwise, project, and the shortcut where the shape stays: the inverted residual of MobileNetV2. */
function inverted(input: tf.SymbolicTensor, { name, kernel, stride, expand, from, to }: Block): tf.SymbolicTensor {
  const isShort = stride === 1 && from === to;
  let x = input;
  if (expand !== 1) {
    x = convolution(x, `${name}_expand`, { filters: from * expand, kernel: 1, stride: 1 });
    x = activated(x, `${name}_expand`);
  }
  const depthwise = tf.layers.depthwiseConv2d({
    kernelSize: kernel,
    strides: stride,
    padding: 'same',
    useBias: false,
    name: `${name}_depthwise_conv`,
  });
  x = activated(normalization(apply(depthwise, x), `${name}_depthwise_norm`), `${name}_depthwise`);
  x = convolution(x, isShort ? `${name}_project` : name, { filters: to, kernel: 1, stride: 1 }, !isShort);
  return isShort ? apply(tf.layers.add({ name }), [x, input]) : x;
}

/** A convolution without bias and its normalisation. @param isLast whether the normalisation carries the block's name */
function convolution(
  x: tf.SymbolicTensor,
  name: string,
  { filters, kernel, stride }: { filters: number; kernel: number; stride: number },
  isLast = false,
): tf.SymbolicTensor {
  const layer = tf.layers.conv2d({
    filters,
    kernelSize: kernel,
    strides: stride,
    padding: 'same',
    useBias: false,
    name: isLast ? `${name}_project_conv` : `${name}_conv`,
  });
  return normalization(apply(layer, x), isLast ? name : `${name}_norm`);
}

const normalization = (x: tf.SymbolicTensor, name: string) =>
  apply(tf.layers.batchNormalization({ epsilon: EPSILON, momentum: 0.99, name }), x);

const activated = (x: tf.SymbolicTensor, name: string) =>
  apply(tf.layers.reLU({ maxValue: 6, name: name === 'stem' || name === 'top' ? name : `${name}_relu` }), x);

const apply = (layer: tf.layers.Layer, x: tf.SymbolicTensor | tf.SymbolicTensor[]) =>
  layer.apply(x) as tf.SymbolicTensor; // one output

/**
 * Puts the weights of the PyTorch state dictionary into the network.
 *
 * @throws {ModelError} when a tensor is missing, left over, or of another shape
 */
export function takeTorchWeights(model: tf.LayersModel, tensors: ReadonlyMap<string, HostTensor>, where: string): void {
  const left = new Set(tensors.keys());
  for (const weight of model.weights) {
    const name = torchName(weight.originalName);
    const found = tensors.get(name);
    left.delete(name);
    const made = tf.tidy(() => found && tf.keep(inTfjsOrder(weight.originalName, found)));
    if (made?.shape.join() !== weight.shape.join()) {
      made?.dispose();
      throw mismatch(
        where,
        `\`${name}\` for [${weight.shape.join(', ')}]`,
        found ? `[${found.shape.join(', ')}]` : 'none',
      );
    }
    weight.write(made);
    made.dispose();
  }
  const [unused] = left;
  if (unused !== undefined) throw mismatch(where, `the weights of ${model.name} alone`, `\`${unused}\` too`);
}

const mismatch = (where: string, expected: string, got: string) =>
  new ModelError(`${where}: expected ${expected}, got ${got}. The weights are another network's.`, { expected, got });

const torchParts: Readonly<Record<string, string>> = {
  kernel: 'weight',
  depthwise_kernel: 'weight',
  bias: 'bias',
  gamma: 'weight',
  beta: 'bias',
  moving_mean: 'running_mean',
  moving_variance: 'running_var',
};

/** `block_3_expand_norm/gamma` -> `_blocks.3._bn0.weight` */
function torchName(name: string): string {
  const [layer = '', part = ''] = name.split('/');
  const [, number, rest = ''] = /^block_(\d+)(?:_(.+))?$/.exec(layer) ?? [];
  const torchLayer = number === undefined ? outerLayers[layer] : innerLayers[rest];
  const place = number === undefined ? '' : `_blocks.${number}.`;
  return `${place}${torchLayer ?? layer}.${torchParts[part] ?? part}`;
}

const outerLayers: Readonly<Record<string, string>> = {
  stem_conv: '_conv_stem',
  stem_norm: '_bn0',
  top_conv: '_conv_head',
  top_norm: '_bn1',
  classes: '_fc',
};

const innerLayers: Readonly<Record<string, string>> = {
  expand_conv: '_expand_conv',
  expand_norm: '_bn0',
  depthwise_conv: '_depthwise_conv',
  depthwise_norm: '_bn1',
  project_conv: '_project_conv',
  project_norm: '_bn2',
  '': '_bn2', // a block without a shortcut ends with its normalisation
};

/** Convolutions: [out, in, H, W] -> [H, W, in, out]; depthwise: [C, 1, H, W] -> [H, W, C, 1]; dense: [out, in] -> [in, out]. */
function inTfjsOrder(name: string, { shape, data }: HostTensor): tf.Tensor {
  const tensor = tf.tensor(data, [...shape]);
  if (name.endsWith('depthwise_kernel')) return tf.transpose(tensor, [2, 3, 0, 1]);
  if (shape.length === 4) return tf.transpose(tensor, [2, 3, 1, 0]);
  return shape.length === 2 ? tf.transpose(tensor) : tensor;
}
