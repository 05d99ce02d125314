import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import type { Frame } from './frame.ts';

/** Runs `action` with its operations going to `frame`; its tensors are disposed at the end. */
export function tracing<T>({ tensors }: TensorflowBackend, frame: Frame, action: () => T): T {
  const { tracer } = tensors;
  tensors.tracer = frame;
  tf.engine().startScope('frame');
  try {
    return action();
  } finally {
    tf.engine().endScope();
    tensors.tracer = tracer;
  }
}
