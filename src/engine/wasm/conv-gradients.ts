import * as tf from '@tensorflow/tfjs';
import { heapOf, type WasmHeap } from './heap.ts';
import { multiply } from './mat-mul.ts';
import type { KernelCall, Kernel } from '../replace-kernels.ts';

type Geometry = tf.backend_util.Conv2DInfo;

/** Rows of a patch matrix that are multiplied at a time: enough for full speed, few enough to stay in the cache. */
const patchRows = 512;

const sizeAndStrides = (g: Geometry) => [g.filterHeight, g.filterWidth, g.strideHeight, g.strideWidth];

/** The window as assembly/conv.ts takes it, over the output's rows `firstRow` to `firstRow + rows`. */
const window = (g: Geometry, firstRow = 0, rows = g.outHeight): number[] => [
  ...sizeAndStrides(g),
  g.dilationHeight,
  g.dilationWidth,
  g.padInfo.top - firstRow * g.strideHeight,
  g.padInfo.left,
  rows,
  g.outWidth,
];

function geometryOf(
  attrs: tf.NamedAttrMap,
  shapes: { readonly image: readonly number[]; readonly filter: readonly number[] },
  depthwise: boolean,
): Geometry {
  const format = (attrs['dataFormat'] as 'NHWC' | 'NCHW' | undefined) ?? 'NHWC';
  if (format !== 'NHWC') throw new TypeError('wasm: gradients of convolutions need channels last (NHWC).');
  return tf.backend_util.computeConv2DInfo(
    shapes.image as [number, number, number, number],
    shapes.filter as [number, number, number, number],
    attrs['strides'] as [number, number],
    (attrs['dilations'] as [number, number] | undefined) ?? 1,
    attrs['pad'] as 'same',
    attrs['dimRoundingMode'] as 'floor' | undefined,
    depthwise,
  );
}

/** Whether the patch matrix is the image itself. */
const isPointwise = (g: Geometry) =>
  g.filterHeight * g.filterWidth * g.strideHeight * g.strideWidth === 1 &&
  g.outHeight === g.inHeight &&
  g.outWidth === g.inWidth;

/** Part of a batch: some output rows of one image, or all of several. */
interface Piece {
  readonly image: number;
  readonly images: number;
  readonly firstRow: number;
  readonly rows: number;
}

/** Cuts a batch so that each piece has about `patchRows` output places. */
function* pieces(g: Geometry): Generator<Piece> {
  const places = g.outHeight * g.outWidth;
  if (places === 0) return;
  const atOnce = Math.max(1, Math.floor(patchRows / places));
  const rowsAtOnce = Math.min(g.outHeight, Math.max(1, Math.floor(patchRows / g.outWidth)));
  for (let image = 0; image < g.batchSize; image += atOnce) {
    const images = Math.min(atOnce, g.batchSize - image);
    for (let firstRow = 0; firstRow < g.outHeight; firstRow += rowsAtOnce) {
      yield { image, images, firstRow, rows: Math.min(rowsAtOnce, g.outHeight - firstRow) };
    }
  }
}

/** Where a piece's output places begin, and how many they are. */
const placesOf = (g: Geometry, { image, images, firstRow, rows }: Piece) => ({
  start: (image * g.outHeight + firstRow) * g.outWidth,
  count: images * rows * g.outWidth,
});

/** Moves the patches of a piece: out of the images at `at` into the matrix, or back, added. */
function movePatches(
  heap: WasmHeap,
  way: 'out' | 'back',
  ...[g, piece, at, matrix]: readonly [Geometry, Piece, number, number]
): void {
  const columns = g.filterHeight * g.filterWidth * g.inChannels;
  for (let i = 0; i < piece.images; i++) {
    const image = at + 4 * (piece.image + i) * g.inHeight * g.inWidth * g.inChannels;
    const rows = matrix + 4 * i * piece.rows * g.outWidth * columns;
    const sizes = [g.inHeight, g.inWidth, g.inChannels, ...window(g, piece.firstRow, piece.rows)];
    heap.kernels.movePatches(image, rows, way === 'back' ? 1 : 0, ...sizes);
  }
}

/** Bytes of the largest patch matrix of a piece; none where the image itself is one. */
const matrixBytes = (g: Geometry): number =>
  isPointwise(g) ? 0 : 4 * Math.max(patchRows, g.outWidth) * g.filterHeight * g.filterWidth * g.inChannels;

/** dFilter = (the patches of x)ᵀ · dy, piece after piece. */
export const conv2DBackpropFilter: Kernel = {
  kernelName: 'Conv2DBackpropFilter',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as { x: tf.TensorInfo; dy: tf.TensorInfo };
    const heap = heapOf(backend);
    const filterShape = attrs['filterShape'] as number[];
    const g = geometryOf(attrs, { image: x.shape, filter: filterShape }, false);
    const columns = g.filterHeight * g.filterWidth * g.inChannels;
    const out = heap.output(filterShape);
    heap.clear(out);
    heap.withScratch([matrixBytes(g)], (matrix = 0) => {
      for (const piece of pieces(g)) {
        const { start, count } = placesOf(g, piece);
        if (!isPointwise(g)) movePatches(heap, 'out', g, piece, heap.at(x), matrix);
        const left = isPointwise(g) ? heap.at(x) + 4 * start * columns : matrix;
        const matrices = {
          left: { at: left, stride: columns, transposed: true },
          right: { at: heap.at(dy) + 4 * start * g.outChannels, stride: g.outChannels },
          out: { at: heap.at(out), stride: g.outChannels },
        };
        multiply(heap, matrices, [columns, g.outChannels, count], true);
      }
    });
    return out;
  },
};

/** dx = the patches dy · filterᵀ, added to the places that they came from. */
export const conv2DBackpropInput: Kernel = {
  kernelName: 'Conv2DBackpropInput',
  kernelFunc: (call, stock) => {
    const { inputs, attrs, backend } = call;
    const { dy, filter } = inputs as { dy: tf.TensorInfo; filter: tf.TensorInfo };
    const inputShape = attrs['inputShape'] as number[];
    if (attrs['dataFormat'] === 'NCHW') return stock(call);
    const heap = heapOf(backend);
    const g = geometryOf(attrs, { image: inputShape, filter: filter.shape }, false);
    const columns = g.filterHeight * g.filterWidth * g.inChannels;
    const out = heap.output(inputShape);
    heap.clear(out);
    heap.withScratch([matrixBytes(g)], (matrix = 0) => {
      for (const piece of pieces(g)) {
        const { start, count } = placesOf(g, piece);
        const matrices = {
          left: { at: heap.at(dy) + 4 * start * g.outChannels, stride: g.outChannels },
          right: { at: heap.at(filter), stride: g.outChannels, transposed: true },
          out: { at: isPointwise(g) ? heap.at(out) + 4 * start * columns : matrix, stride: columns },
        };
        multiply(heap, matrices, [count, columns, g.outChannels]);
        if (!isPointwise(g)) movePatches(heap, 'back', g, piece, heap.at(out), matrix);
      }
    });
    return out;
  },
};

/** Runs the depthwise gradients image by image; what is not asked for has the address 0. */
function depthwiseBackward(
  heap: WasmHeap,
  g: Geometry,
  at: {
    readonly x?: number;
    readonly filter?: number;
    readonly dy: number;
    readonly dFilter?: number;
    readonly dx?: number;
  },
): void {
  const imageBytes = 4 * g.inHeight * g.inWidth * g.inChannels;
  const multiplier = g.outChannels / g.inChannels;
  for (let i = 0; i < g.batchSize; i++) {
    const image = at.x === undefined ? 0 : at.x + i * imageBytes;
    const dImage = at.dx === undefined ? 0 : at.dx + i * imageBytes;
    const dy = at.dy + 4 * i * g.outHeight * g.outWidth * g.outChannels;
    const shape = [g.inHeight, g.inWidth, g.inChannels, multiplier];
    heap.kernels.depthwiseBackward(image, at.filter ?? 0, dy, ...shape, ...window(g), at.dFilter ?? 0, dImage);
  }
}

export const depthwiseBackpropFilter: Kernel = {
  kernelName: 'DepthwiseConv2dNativeBackpropFilter',
  kernelFunc: ({ inputs, attrs, backend }: KernelCall) => {
    const { x, dy } = inputs as { x: tf.TensorInfo; dy: tf.TensorInfo };
    const heap = heapOf(backend);
    const filterShape = attrs['filterShape'] as number[];
    const out = heap.output(filterShape);
    heap.clear(out);
    const geometry = geometryOf(attrs, { image: x.shape, filter: filterShape }, true);
    depthwiseBackward(heap, geometry, { x: heap.at(x), dy: heap.at(dy), dFilter: heap.at(out) });
    return out;
  },
};

export const depthwiseBackpropInput: Kernel = {
  kernelName: 'DepthwiseConv2dNativeBackpropInput',
  kernelFunc: ({ inputs, attrs, backend }: KernelCall) => {
    const { dy, filter } = inputs as { dy: tf.TensorInfo; filter: tf.TensorInfo };
    const heap = heapOf(backend);
    const inputShape = attrs['inputShape'] as number[];
    const out = heap.output(inputShape);
    heap.clear(out);
    const geometry = geometryOf(attrs, { image: inputShape, filter: filter.shape }, true);
    depthwiseBackward(heap, geometry, { filter: heap.at(filter), dy: heap.at(dy), dx: heap.at(out) });
    return out;
  },
};

/** The backend's own visits every window once for each place of the image. */
export const maxPoolGrad: Kernel = {
  kernelName: 'MaxPoolGrad',
  kernelFunc: ({ inputs, attrs, backend }: KernelCall) => {
    const { dy, input } = inputs as { dy: tf.TensorInfo; input: tf.TensorInfo };
    const heap = heapOf(backend);
    const g = tf.backend_util.computePool2DInfo(
      input.shape as [number, number, number, number],
      attrs['filterSize'] as [number, number],
      attrs['strides'] as [number, number],
      1,
      attrs['pad'] as 'same',
      attrs['dimRoundingMode'] as 'floor' | undefined,
    );
    const out = heap.output(input.shape);
    heap.clear(out);
    const imageBytes = 4 * g.inHeight * g.inWidth * g.inChannels;
    for (let i = 0; i < g.batchSize; i++) {
      heap.kernels.maxPoolBackward(
        heap.at(input) + i * imageBytes,
        heap.at(dy) + 4 * i * g.outHeight * g.outWidth * g.outChannels,
        g.inHeight,
        g.inWidth,
        g.inChannels,
        ...sizeAndStrides(g),
        g.padInfo.top,
        g.padInfo.left,
        g.outHeight,
        g.outWidth,
        heap.at(out) + i * imageBytes,
      );
    }
    return out;
  },
};
