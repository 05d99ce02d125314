/**
 * An LSTM that reads an image pixel by pixel in a fixed random order, so that what lies together in the image is far
 * apart in the sequence: a test of memory. Le, Jaitly & Hinton 2015, arXiv:1504.00941; the network of the paper's
 * recurrent experiment (128 units, the order drawn once).
 *
 * Legend: B samples, H W D an image, P pixels after averaging, U units, C classes.
 */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { createRng, deriveSeed, shuffle } from '../stream/random.ts';
import {
  applied,
  built,
  classifier,
  imageFields,
  imageInput,
  lstmLayer,
  networkFields,
  setOrthogonal,
  size,
} from './seeded-layers.ts';

export const PixelLstmOptions = z
  .strictObject({
    ...networkFields,
    ...imageFields,
    inputShape: imageFields.inputShape.default([28, 28, 1]),
    /** Averages squares of n × n pixels to one before they are read: n² times fewer steps. @default 1 */
    shrink: size.default(1),
    /** Width of the LSTM, U. @default 128 – the paper's authors' code */
    units: size.default(128),
    /** Of the order in which pixels are read, or `rows`: row after row. The same seed gives the same order. @default 0 */
    order: z.union([z.int().nonnegative(), z.literal('rows')]).default(0),
  })
  .refine((o) => o.inputShape[0] % o.shrink === 0 && o.inputShape[1] % o.shrink === 0, {
    path: ['shrink'],
    error: 'must divide the height and the width of `inputShape`: squares of pixels become one',
  })
  .refine((o) => (o.inputShape[0] * o.inputShape[1]) / o.shrink ** 2 <= 4096, {
    path: ['inputShape'],
    error: 'must leave at most 4096 pixels to read: `shrink` the image',
  });
type Options = z.output<typeof PixelLstmOptions>;

/**
 * Builds an LSTM over the pixels of an image in a fixed random order, [B, H, W, D] -> [B, C]. Averaging and order are
 * part of the model, which is a stock tfjs one: it takes images as they are. 28 × 28 pixels, 128 units and 10 classes
 * make 67,850 trained parameters.
 *
 * @returns owned by the caller: `dispose()` it
 * @throws {OptionsError} when an option is unknown or out of range
 *
 * @example const model = pixelLstm({ shrink: 4, units: 64, normalise: { mean: 0, deviation: 255 }, seed: 7 });
 */
export function pixelLstm(options: z.input<typeof PixelLstmOptions>): tf.LayersModel {
  const o = parseOptions('pixelLstm()', PixelLstmOptions, options);
  return built(() => build(o));
}

/** The place in the image of each pixel in the order of reading: a permutation of 0 to pixels − 1. */
export const pixelOrder = (pixels: number, order: number | 'rows'): number[] => {
  const places = Array.from({ length: pixels }, (_, place) => place);
  return order === 'rows' ? places : shuffle(places, createRng(order, 'pixels'));
};

function build(o: Options): tf.LayersModel {
  const { image, x } = imageInput(o.inputShape, o.normalise);
  const small = o.shrink === 1 ? x : applied(tf.layers.averagePooling2d({ name: 'shrink', poolSize: o.shrink }), x);
  const sequence = inOrder(small, o.order); // [B, H, W, D] -> [B, P, D]
  const lstm = lstmLayer({ name: 'lstm', units: o.units, seed: o.seed, returnSequences: false });
  const last = applied(lstm, sequence); // [B, P, D] -> [B, U]
  setOrthogonal(lstm, o.units, deriveSeed(o.seed, 'recurrent'));
  return tf.model({ inputs: image, outputs: applied(classifier('classes', o), last), name: 'pixel_lstm' });
}

/** Lays pixels out in the order of reading: a product with a permutation matrix that is not trained, as a stock layer. */
function inOrder(image: tf.SymbolicTensor, order: number | 'rows'): tf.SymbolicTensor {
  const [, height, width, channels] = image.shape as number[];
  const pixels = height! * width!;
  const rows = applied(tf.layers.reshape({ name: 'pixels', targetShape: [pixels, channels!] }), image);
  if (order === 'rows') return rows;
  const permutation = tf.layers.dense({
    name: 'order',
    units: pixels,
    useBias: false,
    trainable: false,
    kernelInitializer: 'zeros', // replaced below
  });
  const byChannel = applied(tf.layers.permute({ name: 'by_channel', dims: [2, 1] }), rows); // [B, P, D] -> [B, D, P]
  const ordered = applied(permutation, byChannel);
  permutation.setWeights([permutationMatrix(pixelOrder(pixels, order))]);
  return applied(tf.layers.permute({ name: 'by_pixel', dims: [2, 1] }), ordered); // [B, D, P] -> [B, P, D]
}

/** [P, P] with a 1 where the pixel of the row is read at the step of the column. */
function permutationMatrix(order: readonly number[]): tf.Tensor2D {
  const values = new Float32Array(order.length ** 2);
  order.forEach((place, step) => (values[place * order.length + step] = 1));
  return tf.tensor2d(values, [order.length, order.length]);
}
