import * as tf from '@tensorflow/tfjs';
import { heapOf, type WasmHeap } from './heap.ts';
import { multiply } from './mat-mul.ts';
import type { KernelCall, WasmKernel } from './wasm-kernel.ts';

type Geometry = tf.backend_util.Conv2DInfo;

/** Rows of a patch matrix that are multiplied at a time: enough for the product to run at full speed. */
const patchRows = 512;

/** The filter's size, strides and dilations, the padding and the output's size, as assembly/conv.ts takes them. */
const window = (g: Geometry): number[] => [
  ...sizeAndStrides(g),
  g.dilationHeight,
  g.dilationWidth,
  ...paddingAndOutput(g),
];
const sizeAndStrides = (g: Geometry) => [g.filterHeight, g.filterWidth, g.strideHeight, g.strideWidth];
const paddingAndOutput = (g: Geometry) => [g.padInfo.top, g.padInfo.left, g.outHeight, g.outWidth];

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

/** Calls `use` for runs of images, with how many, so that each run has rows enough; `first` is the run's first image. */
function forRuns(g: Geometry, use: (first: number, count: number) => void): void {
  const atOnce = Math.max(1, Math.ceil(patchRows / (g.outHeight * g.outWidth)));
  for (let first = 0; first < g.batchSize; first += atOnce) use(first, Math.min(atOnce, g.batchSize - first));
}

/** Sizes in numbers: an image, an output, a row of the patch matrix, and its rows an image. */
const sizes = (g: Geometry) => ({
  imageSize: g.inHeight * g.inWidth * g.inChannels,
  rows: g.outHeight * g.outWidth,
  columns: g.filterHeight * g.filterWidth * g.inChannels,
  scratch: 4 * Math.max(1, Math.ceil(patchRows / (g.outHeight * g.outWidth))) * g.outHeight * g.outWidth,
});

/** dFilter = patches(x)ᵀ · dy, run after run of images. */
export const conv2DBackpropFilter: WasmKernel = {
  kernelName: 'Conv2DBackpropFilter',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as { x: tf.TensorInfo; dy: tf.TensorInfo };
    const heap = heapOf(backend);
    const filterShape = attrs['filterShape'] as number[];
    const g = geometryOf(attrs, { image: x.shape, filter: filterShape }, false);
    const { imageSize, rows, columns, scratch } = sizes(g);
    const out = heap.output(filterShape);
    if (g.batchSize * rows === 0) heap.clear(out);
    heap.withScratch([isPointwise(g) ? 0 : scratch * columns], (matrix = 0) =>
      forRuns(g, (first, count) => {
        const images = heap.at(x) + 4 * first * imageSize;
        if (!isPointwise(g)) {
          for (let i = 0; i < count; i++) {
            const image = images + 4 * i * imageSize;
            const to = matrix + 4 * i * rows * columns;
            heap.kernels.patches(image, g.inHeight, g.inWidth, g.inChannels, ...window(g), to);
          }
        }
        const matrices = {
          left: { at: isPointwise(g) ? images : matrix, stride: columns, transposed: true },
          right: { at: heap.at(dy) + 4 * first * rows * g.outChannels, stride: g.outChannels },
          out: { at: heap.at(out), stride: g.outChannels },
        };
        multiply(heap, matrices, [columns, g.outChannels, count * rows], first > 0);
      }),
    );
    return out;
  },
};

/** dx = the patches dy · filterᵀ, added to the places that they came from. */
export const conv2DBackpropInput: WasmKernel = {
  kernelName: 'Conv2DBackpropInput',
  kernelFunc: (call, stock) => {
    const { inputs, attrs, backend } = call;
    const { dy, filter } = inputs as { dy: tf.TensorInfo; filter: tf.TensorInfo };
    const inputShape = attrs['inputShape'] as number[];
    if (attrs['dataFormat'] === 'NCHW') return stock(call);
    const heap = heapOf(backend);
    const g = geometryOf(attrs, { image: inputShape, filter: filter.shape }, false);
    const { imageSize, rows, columns, scratch } = sizes(g);
    const out = heap.output(inputShape);
    if (!isPointwise(g)) heap.clear(out);
    heap.withScratch([isPointwise(g) ? 0 : scratch * columns], (matrix = 0) =>
      forRuns(g, (first, count) => {
        const images = heap.at(out) + 4 * first * imageSize;
        const matrices = {
          left: { at: heap.at(dy) + 4 * first * rows * g.outChannels, stride: g.outChannels },
          right: { at: heap.at(filter), stride: g.outChannels, transposed: true },
          out: { at: isPointwise(g) ? images : matrix, stride: columns },
        };
        multiply(heap, matrices, [count * rows, columns, g.outChannels]);
        if (isPointwise(g)) return;
        for (let i = 0; i < count; i++) {
          const image = images + 4 * i * imageSize;
          const from = matrix + 4 * i * rows * columns;
          heap.kernels.addPatches(from, g.inHeight, g.inWidth, g.inChannels, ...window(g), image);
        }
      }),
    );
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

export const depthwiseBackpropFilter: WasmKernel = {
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

export const depthwiseBackpropInput: WasmKernel = {
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
export const maxPoolGrad: WasmKernel = {
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
        ...paddingAndOutput(g),
        heap.at(out) + i * imageBytes,
      );
    }
    return out;
  },
};
