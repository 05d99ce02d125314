import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';

/** Runs `action` op by op, as if neither a step were traced nor a gradient taken; both go on after it. */
export function outsideTrace<T>({ tensors }: TensorflowBackend, action: () => T): T {
  const { state } = tf.engine();
  const { tracer, intercept } = tensors;
  const { activeTape, gradientDepth, kernelDepth } = state;
  tensors.tracer = undefined;
  tensors.intercept = undefined;
  // TensorFlow.js itself sets the tape to null when a gradient has ended
  Object.assign(state, { activeTape: null, gradientDepth: 0, kernelDepth: 0 });
  try {
    return action();
  } finally {
    tensors.tracer = tracer;
    tensors.intercept = intercept;
    Object.assign(state, { activeTape, gradientDepth, kernelDepth });
  }
}
