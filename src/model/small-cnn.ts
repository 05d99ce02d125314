/**
 * A small convolutional network for small images, in the line of LeNet (LeCun et al. 1998): quick enough that thousands
 * of steps take a minute on two cores.
 *
 * Legend: B samples, H W D an image, C classes.
 */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { applied, built, classifier, glorot, imageFields, imageInput, networkFields, size } from './seeded-layers.ts';

export const SmallCnnOptions = z.strictObject({
  ...networkFields,
  ...imageFields,
  inputShape: imageFields.inputShape.default([28, 28, 1]),
  /** Filters of each 3 × 3 convolution. @default [16, 32] */
  filters: z.array(size).min(1).default([16, 32]),
  /** Width of the dense layer. @default 64 */
  units: size.default(64),
  /** How an image gets smaller: by convolutions of stride 2, or by 2 × 2 maxima of unpadded ones. @default 'stride' */
  halvedBy: z.enum(['stride', 'maximum']).default('stride'),
});
type Options = z.output<typeof SmallCnnOptions>;

/**
 * Builds a small CNN, [B, H, W, D] -> [B, C]: convolutions that halve the image each, a dense layer, the classes. For
 * [28, 28, 1] and 10 classes 105,866 parameters and 0.4 million multiplications an image; halved by maxima 56,714 and 0.7.
 *
 * @returns owned by the caller: `dispose()` it
 * @throws {OptionsError} when an option is unknown or out of range
 *
 * @example const model = smallCnn({ normalise: { mean: 0, deviation: 255 }, seed: 7 });
 */
export function smallCnn(options: z.input<typeof SmallCnnOptions>): tf.LayersModel {
  const o = parseOptions('smallCnn()', SmallCnnOptions, options);
  return built(() => build(o));
}

function build(o: Options): tf.LayersModel {
  const { image, x: input } = imageInput(o.inputShape, o.normalise);
  let x = input;
  for (const [i, filters] of o.filters.entries()) x = halved(o, x, i + 1, filters); // -> [B, H / 2, W / 2, filters]
  const dense = tf.layers.dense({
    name: 'dense',
    units: o.units,
    activation: 'relu',
    kernelInitializer: glorot(o.seed, 'dense'),
  });
  const hidden = applied(dense, applied(tf.layers.flatten({ name: 'flat' }), x));
  return tf.model({ inputs: image, outputs: applied(classifier('classes', o), hidden), name: 'small_cnn' });
}

function halved({ seed, halvedBy }: Options, x: tf.SymbolicTensor, index: number, filters: number): tf.SymbolicTensor {
  const name = `conv_${index}`;
  const common = { name, filters, kernelSize: 3, activation: 'relu', kernelInitializer: glorot(seed, name) } as const;
  if (halvedBy === 'stride') return applied(tf.layers.conv2d({ ...common, strides: 2, padding: 'same' }), x);
  return applied(tf.layers.maxPooling2d({ name: `pool_${index}`, poolSize: 2 }), applied(tf.layers.conv2d(common), x));
}
