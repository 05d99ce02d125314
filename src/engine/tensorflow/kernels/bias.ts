import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { registerKernel, replaceGradient, runKernel } from './override.ts';

/** Whether `b` is added to each row of `a`: one number a channel. */
const isBias = (a: tf.TensorInfo, b: tf.TensorInfo): boolean =>
  b.shape.length === 1 &&
  a.shape.length >= 2 &&
  a.shape.length <= 5 &&
  a.shape.at(-1) === b.shape[0] &&
  a.dtype === 'float32' &&
  b.dtype === 'float32';

/**
 * Adds biases by `BiasAdd`, which TensorFlow fuses with the convolution or product before it, and sums their gradient by
 * `BiasAddGrad`, which is several times as fast as a sum over the other axes.
 */
export function registerBias(backend: TensorflowBackend): void {
  registerKernel(backend, 'Add', (run, { a, b }) => (a && b && isBias(a, b) ? run('BiasAdd', [a, b]) : undefined));
  registerKernel(backend, 'BiasAddGrad', (run, { dy }) => dy && run('BiasAddGrad', [dy]));
  tf.registerGradient({
    kernelName: 'BiasAddGrad',
    inputsToSave: ['dy'],
    gradFunc: (ddy, [dy]) => ({ dy: () => tf.broadcastTo(Array.isArray(ddy) ? tf.addN(ddy) : ddy, dy?.shape ?? []) }),
  });
  replaceGradient('Add', (dy, [a, b], original) => {
    if (!a || !b || !isBias(a, b)) return original();
    return { ...original(), b: () => runKernel('BiasAddGrad', { dy }) };
  });
}
