import * as tf from '@tensorflow/tfjs';
import type { ConformanceCase, InputSpec } from './case.ts';
import { op } from './op-case.ts';

const positive = (shape: readonly number[]): InputSpec => ({ shape, low: 0.5, high: 2 });
const any = (shape: readonly number[]): InputSpec => ({ shape });
const indices = (shape: readonly number[], below: number): InputSpec => ({
  shape,
  low: 0,
  high: below,
  dtype: 'int32',
});
const noGradient = { gradient: false } as const;
const x = { x: any([3, 5]) };
const pair = { a: any([3, 5]), b: any([3, 5]) };
const spread = { a: any([2, 3, 5]), b: any([3, 1]) };

const { abs, neg, square, exp, tanh, sigmoid, relu, relu6, elu, selu, softplus, erf, sin, cos } = tf;
const { log, log1p, sqrt, rsqrt, reciprocal, add, sub, mul, maximum, minimum, squaredDifference } = tf;

const unary = [
  ...Object.entries({ abs, neg, square, exp, tanh, sigmoid, relu, relu6, elu, selu, softplus, erf }).map(
    ([name, compute]) => op(name, x, (given) => compute(given.x)),
  ),
  // WebGPU's shading language promises no more than 2^-11 here.
  ...Object.entries({ sin, cos }).map(([name, compute]) =>
    op(name, x, (given) => compute(given.x), { tolerance: 5e-4 }),
  ),
];

const unaryPositive = Object.entries({ log, log1p, sqrt, rsqrt, reciprocal }).map(([name, compute]) =>
  op(name, { x: positive([3, 5]) }, (given) => compute(given.x)),
);

// TensorFlow.js has no gradients of maximum, minimum and squaredDifference over broadcast tensors.
const binary = [
  ...Object.entries({ add, sub, mul, maximum, minimum, squaredDifference }).map(([name, compute]) =>
    op(name, pair, ({ a, b }) => compute(a, b)),
  ),
  ...Object.entries({ add, sub, mul }).map(([name, compute]) =>
    op(`${name}, broadcast`, spread, ({ a, b }) => compute(a, b)),
  ),
];

const products = ([false, true] as const).flatMap((transposeA) =>
  ([false, true] as const).map((transposeB) =>
    op(
      `matMul${transposeA ? ', left transposed' : ''}${transposeB ? ', right transposed' : ''}`,
      { a: any(transposeA ? [7, 5] : [5, 7]), b: any(transposeB ? [9, 7] : [7, 9]) },
      ({ a, b }) => tf.matMul(a, b, transposeA, transposeB),
    ),
  ),
);

const reductions: readonly ConformanceCase[] = [
  ...([[0], [1], [2], [0, 1], [0, 1, 2]] as const).flatMap((axes) => [
    op(`sum over ${axes.join(', ')}`, { x: any([3, 4, 5]) }, (given) => tf.sum(given.x, [...axes])),
    op(`mean over ${axes.join(', ')}`, { x: any([3, 4, 5]) }, (given) => tf.mean(given.x, [...axes], true)),
  ]),
  op('max', x, (given) => tf.max(given.x, 1)),
  op('min', x, (given) => tf.min(given.x, 0)),
  op('argMax', x, (given) => tf.argMax(given.x, 1), noGradient),
  op('moments', { x: any([4, 3, 3, 5]) }, (given) => Object.values(tf.moments(given.x, [0, 1, 2]))),
  op('norm', x, (given) => tf.norm(given.x)),
  op('cumsum', x, (given) => tf.cumsum(given.x, 1)),
  op('logSumExp', x, (given) => tf.logSumExp(given.x, 1)),
];

const shapes: readonly ConformanceCase[] = [
  op('transpose', { x: any([2, 3, 4]) }, (given) => tf.transpose(given.x, [2, 0, 1])),
  op(
    'transpose, whole numbers',
    { x: indices([2, 3, 4], 99) },
    (given) => tf.transpose(given.x, [2, 0, 1]),
    noGradient,
  ),
  op('transpose, a matrix of whole numbers', { x: indices([5, 7], 99) }, (given) => tf.transpose(given.x), noGradient),
  op(
    'transpose, booleans',
    { x: { shape: [2, 3, 4], low: 0, high: 2, dtype: 'bool' } },
    (given) => [tf.transpose(given.x, [1, 0, 2]), tf.transpose(given.x.toFloat(), [1, 0, 2])],
    noGradient,
  ),
  op('addN, more than a shader reads', { x: any([40, 3]) }, (given) => tf.addN(tf.unstack(given.x))),
  op('reshape', { x: any([2, 3, 4]) }, (given) => tf.reshape(given.x, [6, 4])),
  op('concat', pair, ({ a, b }) => tf.concat([a, b], 1)),
  op('stack', pair, ({ a, b }) => tf.stack([a, b], 1)),
  op('unstack', x, (given) => tf.unstack(given.x, 1)),
  op('split', { x: any([3, 8]) }, (given) => tf.split(given.x, [2, 6], 1)),
  op('slice', { x: any([4, 5]) }, (given) => tf.slice(given.x, [1, 2], [2, 3])),
  op('stridedSlice', { x: any([6, 5]) }, (given) => tf.stridedSlice(given.x, [0, 1], [6, 5], [2, 3]), noGradient),
  op('pad', { x: any([2, 3]) }, (given) =>
    tf.pad(given.x, [
      [1, 0],
      [0, 2],
    ]),
  ),
  op('tile', { x: any([2, 3]) }, (given) => tf.tile(given.x, [2, 3])),
  op('reverse', { x: any([2, 3, 2]) }, (given) => tf.reverse(given.x, 1)),
  op('gather', { x: any([5, 3]), at: indices([2, 4], 5) }, (given) => tf.gather(given.x, given.at)),
  op('oneHot', { at: indices([6], 4) }, (given) => tf.oneHot(given.at, 4).toFloat(), noGradient),
  op('where', { ...pair, condition: { shape: [3, 5], low: 0, high: 2, dtype: 'bool' } }, ({ a, b, condition }) =>
    tf.where(condition, a, b.mul(2)),
  ),
  op('unsortedSegmentSum', { x: any([6, 3]), at: indices([6], 4) }, (given) =>
    tf.unsortedSegmentSum(given.x, given.at.as1D(), 5),
  ),
  op('topk', { x: any([3, 8]) }, (given) => tf.topk(given.x, 3).values, noGradient),
  op('cast', { x: { shape: [7], low: -5, high: 5 } }, (given) => given.x.toInt().toFloat(), noGradient),
];

const classification: readonly ConformanceCase[] = [
  op('softmax', { x: { shape: [4, 7], low: -4, high: 4 } }, (given) => tf.softmax(given.x)),
  op('logSoftmax', { x: { shape: [4, 7], low: -4, high: 4 } }, (given) => tf.logSoftmax(given.x)),
  op('softmax cross-entropy', { x: any([4, 7]), at: indices([4], 7) }, (given) =>
    tf.losses.softmaxCrossEntropy(tf.oneHot(given.at, 7).toFloat(), given.x),
  ),
  op('clipByValue', x, (given) => tf.clipByValue(given.x, -0.5, 0.5)),
  op('pow', { a: positive([3, 4]), b: positive([3, 4]) }, ({ a, b }) => tf.pow(a, b)),
  op('div', { a: any([3, 4]), b: positive([3, 4]) }, ({ a, b }) => tf.div(a, b)),
  op('leakyRelu', x, (given) => tf.leakyRelu(given.x, 0.2)),
  op('prelu', { ...x, alpha: positive([5]) }, (given) => tf.prelu(given.x, given.alpha)),
  op('einsum, attention', { a: any([2, 3, 4, 5]), b: any([2, 6, 4, 5]) }, ({ a, b }) =>
    tf.einsum('aecd,abcd->acbe', b, a),
  ),
  op('einsum, dense', { a: any([2, 3, 4]), b: any([4, 5, 6]) }, ({ a, b }) => tf.einsum('abc,cde->abde', a, b)),
  op('einsum, one tensor', { a: any([2, 3, 4]) }, ({ a }) => tf.einsum('abc->ca', a)),
  op('einsum, summed alone', { a: any([2, 3, 4]), b: any([3, 5, 2]) }, ({ a, b }) => tf.einsum('abc,bde->da', a, b)),
];

/** Every op that the models of this kind of training use, forward and gradient. */
export const opCases: readonly ConformanceCase[] = [
  ...unary,
  ...unaryPositive,
  ...binary,
  ...products,
  op('matMul, batch', { a: any([3, 4, 5]), b: any([3, 5, 6]) }, ({ a, b }) => tf.matMul(a, b)),
  ...reductions,
  ...shapes,
  ...classification,
];
