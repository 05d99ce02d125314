import { heapOf } from './heap.ts';
import type { Kernel } from '../replace-kernels.ts';
import * as tf from '@tensorflow/tfjs';

/** Adds rows up by segment: the gradient of `gather`, so of an embedding. The backend has none. */
export const unsortedSegmentSum: Kernel = {
  kernelName: 'UnsortedSegmentSum',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const { x, segmentIds } = inputs;
    const heap = heapOf(backend);
    const segments = Number(attrs['numSegments']);
    if (!x || !segmentIds || x.dtype !== 'float32') {
      throw new TypeError(`UnsortedSegmentSum: expected float32 rows and their segments, got ${x?.dtype}.`);
    }
    const rows = tf.util.sizeFromShape(segmentIds.shape);
    const rowShape = x.shape.slice(segmentIds.shape.length);
    const out = heap.output([segments, ...rowShape]);
    const columns = tf.util.sizeFromShape(rowShape);
    heap.kernels.segmentSum(heap.at(x), heap.at(segmentIds), rows, columns, segments, heap.at(out));
    return out;
  },
};
