/**
 * ResNet-50: bottleneck blocks, first version. He, Zhang, Ren & Sun 2015, arXiv:1512.03385. Layers, their names, their
 * order and their settings are those of Keras' application `ResNet50`, so that weights can be carried over by name.
 *
 * Legend: B samples, H W D an image, C classes.
 */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { applied, built, classifier, glorot, imageFields, imageInput, networkFields } from './seeded-layers.ts';

export const Resnet50Options = z.strictObject({
  ...networkFields,
  ...imageFields,
  inputShape: imageFields.inputShape.default([224, 224, 3]),
  classes: networkFields.classes.default(1000),
});
type Options = z.output<typeof Resnet50Options>;

/** Filters of the bottleneck, blocks, and the strides of the first block, of each stack. */
const stacks = [
  { filters: 64, blocks: 3, strides: 1 },
  { filters: 128, blocks: 4, strides: 2 },
  { filters: 256, blocks: 6, strides: 2 },
  { filters: 512, blocks: 3, strides: 2 },
] as const;

/**
 * Builds a ResNet-50, [B, H, W, D] -> [B, C]. For [224, 224, 3] and 1000 classes it has 25,636,712 parameters, of which
 * 25,583,592 are trained; the rest are batch normalisation's statistics.
 *
 * @returns owned by the caller: `dispose()` it
 * @throws {OptionsError} when an option is unknown or out of range
 *
 * @example const model = resnet50({ inputShape: [64, 64, 3], classes: 67, seed: 7 });
 */
export function resnet50(options: z.input<typeof Resnet50Options>): tf.LayersModel {
  const o = parseOptions('resnet50()', Resnet50Options, options);
  return built(() => build(o));
}

function build(o: Options): tf.LayersModel {
  const { image, x: input } = imageInput(o.inputShape, o.normalise);
  const stem = applied(padding('conv1_pad', 3), input);
  const wide = relu(
    normed(convolved(o, stem, 'conv1', { filters: 64, kernelSize: 7, strides: 2 }), 'conv1'),
    'conv1_relu',
  );
  const pool = tf.layers.maxPooling2d({ name: 'pool1_pool', poolSize: 3, strides: 2 });
  let x = applied(pool, applied(padding('pool1_pad', 1), wide)); // [B, H/4, W/4, 64]
  for (const [i, { filters, blocks, strides }] of stacks.entries())
    for (let index = 1; index <= blocks; index++) {
      const name = `conv${i + 2}_block${index}`;
      x = block(o, x, { name, filters, strides: index === 1 ? strides : 1, projects: index === 1 });
    }
  const pooled = applied(tf.layers.globalAveragePooling2d({ name: 'avg_pool' }), x); // [B, H/32, W/32, 2048] -> [B, 2048]
  return tf.model({ inputs: image, outputs: applied(classifier('predictions', o), pooled), name: 'resnet50' });
}

interface Block {
  readonly name: string;
  readonly filters: number;
  readonly strides: number;
  /** Whether the shortcut is a convolution. */
  readonly projects: boolean;
}

/** A bottleneck: 1 × 1 down to `filters`, 3 × 3, 1 × 1 up to four times as many. */
function block(o: Options, x: tf.SymbolicTensor, { name, filters, strides, projects }: Block): tf.SymbolicTensor {
  const part = (input: tf.SymbolicTensor, index: number, convolution: Omit<Convolution, 'strides'>, stride = 1) =>
    normed(convolved(o, input, `${name}_${index}`, { ...convolution, strides: stride }), `${name}_${index}`);
  const shortcut = projects ? part(x, 0, { filters: 4 * filters, kernelSize: 1 }, strides) : x;
  const narrow = relu(part(x, 1, { filters, kernelSize: 1 }, strides), `${name}_1_relu`);
  const middle = relu(part(narrow, 2, { filters, kernelSize: 3, padding: 'same' }), `${name}_2_relu`);
  const wide = part(middle, 3, { filters: 4 * filters, kernelSize: 1 });
  return relu(applied(tf.layers.add({ name: `${name}_add` }), [shortcut, wide]), `${name}_out`);
}

interface Convolution {
  readonly filters: number;
  readonly kernelSize: number;
  readonly strides: number;
  readonly padding?: 'same';
}

function convolved({ seed }: Options, x: tf.SymbolicTensor, name: string, options: Convolution): tf.SymbolicTensor {
  const kernelInitializer = glorot(seed, name); // as Keras has it
  return applied(tf.layers.conv2d({ ...options, name: `${name}_conv`, kernelInitializer }), x);
}

const normed = (x: tf.SymbolicTensor, name: string): tf.SymbolicTensor =>
  applied(tf.layers.batchNormalization({ name: `${name}_bn`, epsilon: 1.001e-5 }), x);

const relu = (x: tf.SymbolicTensor, name: string): tf.SymbolicTensor =>
  applied(tf.layers.activation({ name, activation: 'relu' }), x);

const padding = (name: string, by: number): tf.layers.Layer =>
  tf.layers.zeroPadding2d({
    name,
    padding: [
      [by, by],
      [by, by],
    ],
  });
