import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { registerKernel, replaceGradient, runKernel } from './override.ts';

/**
 * Gradients of activations as one operation each, from the activation's output, where TensorFlow.js composes several
 * from its input: the input is then needed by nobody, and TensorFlow fuses the activation with what comes before it.
 *
 *     relu     dx = dy where y > 0
 *     sigmoid  dx = dy * y * (1 - y)
 *     tanh     dx = dy * (1 - y²)
 */
export function registerActivationGradients(backend: TensorflowBackend): void {
  registerKernel(backend, 'ReluGrad', (run, { dy, y }) => dy && y && run('ReluGrad', [dy, y]));
  registerKernel(backend, 'SigmoidGrad', (run, { dy, y }) => dy && y && run('SigmoidGrad', [y, dy]));
  registerKernel(backend, 'TanhGrad', (run, { dy, y }) => dy && y && run('TanhGrad', [y, dy]));
  secondDerivative('ReluGrad', (_, y) => tf.zerosLike(y));
  secondDerivative('SigmoidGrad', (dy, y) => tf.mul(dy, tf.sub(1, tf.mul(2, y))));
  secondDerivative('TanhGrad', (dy, y) => tf.mul(dy, tf.mul(-2, y)));
  const both = { inputsToSave: ['x'], outputsToSave: [true] };
  replaceGradient(
    'Relu',
    (dy, [, y], original) => (y ? { x: () => runKernel('ReluGrad', { dy, y }) } : original()),
    both,
  );
  for (const name of ['Sigmoid', 'Tanh'] as const) {
    replaceGradient(name, (dy, [y], original) => (y ? { x: () => runKernel(`${name}Grad`, { dy, y }) } : original()));
  }
}

/** All three are linear in `dy`, so their derivative by it is themselves. */
function secondDerivative(kernelName: string, byOutput: (dy: tf.Tensor, y: tf.Tensor) => tf.Tensor): void {
  tf.registerGradient({
    kernelName,
    inputsToSave: ['dy', 'y'],
    gradFunc: (ddy, [dy, y]) => {
      if (Array.isArray(ddy) || !dy || !y) throw new RangeError(`${kernelName} has one output and two inputs.`);
      return { dy: () => runKernel(kernelName, { dy: ddy, y }), y: () => tf.mul(ddy, byOutput(dy, y)) };
    },
  });
}
