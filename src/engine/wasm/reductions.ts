import * as tf from '@tensorflow/tfjs';
import { heapOf } from './heap.ts';
import type { Kernel } from '../replace-kernels.ts';

/** The axes that `axis` of a reduction means, in order. */
const axesOf = (axis: unknown, rank: number): number[] => {
  const given = Array.isArray(axis) ? axis.map(Number) : axis === undefined || axis === null ? undefined : Number(axis);
  return tf.util
    .parseAxisParam(
      given!,
      Array.from({ length: rank }, () => 1),
    )
    .toSorted((a, b) => a - b);
};

/**
 * A sum over the leading axes, as the gradients of biases and batch statistics need it: the backend's own transposes the
 * tensor first. `isMean` divides by the numbers summed.
 */
const overLeadingAxes = (kernelName: 'Sum' | 'Mean', isMean: boolean): Kernel => ({
  kernelName,
  kernelFunc: (call, stock) => {
    const { x } = call.inputs;
    const rank = x?.shape.length ?? 0;
    const axes = axesOf(call.attrs['axis'], rank);
    const isLeading = axes.length > 0 && axes.length < rank && axes.every((axis, i) => axis === i);
    if (x?.dtype !== 'float32' || !isLeading) return stock(call);
    const heap = heapOf(call.backend);
    const kept = x.shape.slice(axes.length);
    const rows = tf.util.sizeFromShape(x.shape.slice(0, axes.length));
    const out = heap.output(call.attrs['keepDims'] === true ? [...axes.map(() => 1), ...kept] : kept);
    heap.kernels.columnSums(heap.at(x), rows, tf.util.sizeFromShape(kept), isMean ? 1 / rows : 1, heap.at(out));
    return out;
  },
});

export const sum = overLeadingAxes('Sum', false);
export const mean = overLeadingAxes('Mean', true);
