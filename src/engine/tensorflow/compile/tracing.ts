import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { CompileError } from '../../../errors.ts';
import { Frame } from './frame.ts';

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

/**
 * The frame that operations go to now.
 *
 * @throws {CompileError} when nothing is traced
 */
export function enclosingFrame({ tensors }: TensorflowBackend, who: string): Frame {
  if (tensors.tracer instanceof Frame) return tensors.tracer;
  throw new CompileError(`${who}(): it works within a compiled step only. Compile the function that calls it.`);
}
