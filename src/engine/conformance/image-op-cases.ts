import * as tf from '@tensorflow/tfjs';
import type { ConformanceCase, InputSpec } from './case.ts';
import { op } from './op-case.ts';

const any = (shape: readonly number[]): InputSpec => ({ shape });
const positive = (shape: readonly number[]): InputSpec => ({ shape, low: 0.5, high: 2 });
const image = any([2, 7, 6, 5]);

/** Convolutions over windows, strides, paddings and channels that do and do not divide by 4. */
const convolutions = (
  [
    ['3 x 3, same', 3, 1, 'same', 8],
    ['3 x 3, stride 2, same', 3, 2, 'same', 3],
    ['3 x 2, valid', [3, 2], 1, 'valid', 6],
    ['1 x 1', 1, 1, 'valid', 7],
    ['1 x 1, stride 2', 1, 2, 'valid', 4],
    ['5 x 5, stride 3, same', 5, 3, 'same', 2],
  ] as const
).map(([name, size, stride, pad, filters]) => {
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  return op(`conv2d, ${name}`, { x: image, filter: any([height, width, 5, filters]) }, (given) =>
    tf.conv2d(given.x.as4D(2, 7, 6, 5), given.filter.as4D(height, width, 5, filters), stride, pad),
  );
});

const depthwise = (
  [
    ['3 x 3, same', 1, 'same', 1],
    ['3 x 3, stride 2, valid', 2, 'valid', 1],
    ['3 x 3, multiplier 2', 1, 'same', 2],
  ] as const
).map(([name, stride, pad, multiplier]) =>
  op(`depthwiseConv2d, ${name}`, { x: image, filter: any([3, 3, 5, multiplier]) }, (given) =>
    tf.depthwiseConv2d(given.x.as4D(2, 7, 6, 5), given.filter.as4D(3, 3, 5, multiplier), stride, pad),
  ),
);

const { maxPool, avgPool } = tf;
const pools = Object.entries({ maxPool, avgPool }).flatMap(([name, pool]) =>
  (
    [
      [2, 2, 'valid'],
      [3, 2, 'same'],
      [3, 1, 'valid'],
    ] as const
  ).map(([size, stride, pad]) =>
    op(`${name}, ${size} x ${size}, stride ${stride}, ${pad}`, { x: image }, (given) =>
      pool(given.x.as4D(2, 7, 6, 5), size, stride, pad),
    ),
  ),
);

/** Images of more places than are multiplied at a time, and many of few. */
const many = (
  [
    ['large', 2, 40, 1],
    ['large, stride 2', 1, 61, 2],
    ['many small', 33, 6, 1],
  ] as const
).map(([name, count, size, stride]) =>
  op(`conv2d, ${name}`, { x: any([count, size, size, 3]), filter: any([3, 3, 3, 4]) }, (given) =>
    tf.conv2d(given.x.as4D(count, size, size, 3), given.filter.as4D(3, 3, 3, 4), stride, 'same').mul(0.02),
  ),
);

/** Ops on images [N, H, W, C], forward and gradient. */
export const imageOpCases: readonly ConformanceCase[] = [
  ...convolutions,
  ...many,
  ...depthwise,
  ...pools,
  op('conv1d', { x: any([2, 9, 3]), filter: any([3, 3, 4]) }, (given) =>
    tf.conv1d(given.x.as3D(2, 9, 3), given.filter.as3D(3, 3, 4), 1, 'same'),
  ),
  op('conv2dTranspose', { x: any([2, 3, 3, 4]), filter: any([3, 3, 2, 4]) }, (given) =>
    tf.conv2dTranspose(given.x.as4D(2, 3, 3, 4), given.filter.as4D(3, 3, 2, 4), [2, 6, 6, 2], 2, 'same'),
  ),
  op(
    'batchNorm',
    { x: image, mean: any([5]), variance: positive([5]), offset: any([5]), scale: positive([5]) },
    ({ x, mean, variance, offset, scale }) =>
      tf.batchNorm(x, mean.as1D(), variance.as1D(), offset.as1D(), scale.as1D(), 1e-3),
    { tolerance: 5e-5 },
  ),
  op('resizeNearestNeighbor', { x: any([1, 3, 3, 2]) }, (given) =>
    tf.image.resizeNearestNeighbor(given.x.as4D(1, 3, 3, 2), [6, 6]),
  ),
];
