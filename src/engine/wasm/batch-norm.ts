import * as tf from '@tensorflow/tfjs';
import { heapOf } from './heap.ts';
import type { Kernel } from '../replace-kernels.ts';

/**
 * Batch norm by channel as one multiplication and one addition a number; the backend's own computes a square root and a
 * division for each.
 */
export const fusedBatchNorm: Kernel = {
  kernelName: 'FusedBatchNorm',
  kernelFunc: (call, stock) => {
    const { x, mean, variance, offset, scale } = call.inputs;
    const channels = x?.shape.at(-1) ?? 0;
    const statistics = [mean, variance, offset, scale].filter((tensor) => tensor !== undefined && tensor !== null);
    const isByChannel = statistics.every(({ shape }) => shape.length === 1 && shape[0] === channels);
    if (!x || !mean || !variance || x.dtype !== 'float32' || !isByChannel) return stock(call);
    const heap = heapOf(call.backend);
    const epsilon = Number(call.attrs['varianceEpsilon'] ?? 0.001);
    const out = heap.output(x.shape);
    heap.withScratch([4 * channels, 4 * channels], (factors = 0, offsets = 0) => {
      // Views of the heap as it is once everything is allocated: growing replaces it.
      const [means, variances] = [heap.floats(heap.at(mean), channels), heap.floats(heap.at(variance), channels)];
      const scales = scale && heap.floats(heap.at(scale), channels);
      const given = offset && heap.floats(heap.at(offset), channels);
      const factor = heap.floats(factors, channels);
      const added = heap.floats(offsets, channels);
      for (let c = 0; c < channels; c++) {
        factor[c] = (scales?.[c] ?? 1) / Math.sqrt(variances[c]! + epsilon);
        added[c] = (given?.[c] ?? 0) - means[c]! * factor[c]!;
      }
      const rows = channels === 0 ? 0 : tf.util.sizeFromShape(x.shape) / channels;
      heap.kernels.scaleRows(heap.at(x), rows, channels, factors, offsets, heap.at(out));
    });
    return out;
  },
};
