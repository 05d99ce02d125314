import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { registerKernel } from './override.ts';

/** Gathers without reading the indices on the host, as tfjs-node's kernel does: TensorFlow checks them itself. */
export function registerGather(backend: TensorflowBackend): void {
  registerKernel(backend, 'GatherV2', (run, { x, indices }, { axis, batchDims }) => {
    if (!x || !indices) return undefined;
    const at = tf.scalar(Number(axis ?? 0), 'int32');
    try {
      return run('GatherV2', [x, indices, at], [{ name: 'batch_dims', value: Number(batchDims ?? 0) }]);
    } finally {
      at.dispose();
    }
  });
}
