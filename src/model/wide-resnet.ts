/**
 * Wide residual networks: few layers of many filters, in blocks before whose convolutions the input is normalised and
 * rectified. Zagoruyko & Komodakis 2016, arXiv:1605.07146; the network of the paper's image experiments is WRN-28-2.
 *
 *     block(x) = conv(relu(norm(conv(relu(norm(x)))))) + x
 *
 * Where a block changes the number of filters or halves the image, the term x is a 1 × 1 convolution of relu(norm(x)).
 *
 * Legend: B samples, H W D an image, k width, C classes.
 */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { applied, built, classifier, heNormal, imageFields, imageInput, networkFields, size } from './seeded-layers.ts';

export const WideResnetOptions = z
  .strictObject({
    ...networkFields,
    ...imageFields,
    inputShape: imageFields.inputShape.default([32, 32, 3]),
    /** Layers: 6 n + 4 for n blocks in each of the three groups. @default 28 – the paper's */
    depth: size.default(28),
    /** Filters are 16 k, 32 k and 64 k in the three groups. @default 2 – the paper's */
    width: size.default(2),
    /**
     * λ of the penalty λ/2 ‖W‖² on every kernel: the weight decay of gradient descent as papers mean it, which adds λ W to
     * the gradient before the momentum. `fit`'s own `weightDecay` is decoupled. @default 0
     */
    weightDecay: z.number().nonnegative().default(0),
  })
  .refine((o) => o.depth >= 10 && (o.depth - 4) % 6 === 0, {
    path: ['depth'],
    error: 'must be 6 n + 4, such as 10, 16, 22, 28 or 40: three groups of n blocks of two convolutions',
  });

type Options = z.output<typeof WideResnetOptions>;

/**
 * Builds the wide residual network WRN-depth-width without dropout, [B, H, W, D] -> [B, C]. Trainable parameters for
 * [32, 32, 3] and 10 classes: WRN-28-2 1,467,610 · WRN-40-2 2,243,546 · WRN-28-10 36,479,194.
 *
 * Batch normalisation has a momentum of 0.9 and an epsilon of 1e-5, as the authors' code; samples are scored with the
 * moving statistics.
 *
 * @returns owned by the caller: `dispose()` it
 * @throws {OptionsError} when an option is unknown or out of range
 *
 * @example const model = wideResnet({ depth: 28, width: 2, weightDecay: 5e-4, seed: 7 });
 */
export function wideResnet(options: z.input<typeof WideResnetOptions>): tf.LayersModel {
  const o = parseOptions('wideResnet()', WideResnetOptions, options);
  return built(() => build(o));
}

function build(o: Options): tf.LayersModel {
  const { image, x: input } = imageInput(o.inputShape, o.normalise);
  let x = convolved(o, input, { name: 'stem', filters: 16, kernelSize: 3, strides: 1 }); // [B, H, W, 16]
  for (let group = 1; group <= 3; group++)
    for (let index = 1; index <= (o.depth - 4) / 6; index++) {
      const strides = group > 1 && index === 1 ? 2 : 1;
      x = block(o, x, { name: `group${group}_block${index}`, filters: 16 * o.width * 2 ** (group - 1), strides });
    }
  const pooled = applied(tf.layers.globalAveragePooling2d({ name: 'pool' }), activated(x, 'last')); // -> [B, 64 k]
  return tf.model({
    inputs: image,
    outputs: applied(classifier('classes', o), pooled),
    name: `wide_resnet_${o.depth}_${o.width}`,
  });
}

interface Convolution {
  readonly name: string;
  readonly filters: number;
  readonly kernelSize: number;
  readonly strides: number;
}

function convolved({ seed, weightDecay }: Options, x: tf.SymbolicTensor, options: Convolution): tf.SymbolicTensor {
  return applied(
    tf.layers.conv2d({
      ...options,
      padding: 'same',
      useBias: false,
      kernelInitializer: heNormal(seed, options.name),
      ...(weightDecay > 0 && { kernelRegularizer: tf.regularizers.l2({ l2: weightDecay / 2 }) }), // l2 is λ/2 of ‖W‖²
    }),
    x,
  );
}

const activated = (x: tf.SymbolicTensor, name: string): tf.SymbolicTensor => {
  const norm = tf.layers.batchNormalization({ name: `${name}_norm`, momentum: 0.9, epsilon: 1e-5 });
  return applied(tf.layers.reLU({ name: `${name}_relu` }), applied(norm, x));
};

function block(
  o: Options,
  x: tf.SymbolicTensor,
  { name, filters, strides }: Omit<Convolution, 'kernelSize'>,
): tf.SymbolicTensor {
  const before = activated(x, `${name}_1`);
  const inner = convolved(o, before, { name: `${name}_1_conv`, filters, kernelSize: 3, strides });
  const outer = convolved(o, activated(inner, `${name}_2`), {
    name: `${name}_2_conv`,
    filters,
    kernelSize: 3,
    strides: 1,
  });
  const isSame = strides === 1 && x.shape.at(-1) === filters;
  const shortcut = isSame ? x : convolved(o, before, { name: `${name}_shortcut`, filters, kernelSize: 1, strides });
  return applied(tf.layers.add({ name: `${name}_add` }), [outer, shortcut]);
}
