import type * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { enclosingFrame } from '../compile/tracing.ts';
import { tracePart } from './trace-part.ts';

/**
 * Runs `body` as a function of its own within the step that is being compiled, which XLA compiles as a whole: for loops
 * of many small operations, where starting each costs more than computing it.
 *
 * @returns the results of `body`, owned by the caller
 * @throws {CompileError} outside of a compiled step
 */
export function xlaCall(backend: TensorflowBackend, body: () => tf.Tensor[]): tf.Tensor[] {
  const outer = enclosingFrame(backend, 'xlaCall');
  const { part, captured } = tracePart(backend, outer, 'xla', [], body);
  return outer.executeCall(part, captured, { xla: true }).map((output) => backend.tensors.tensorOf(output));
}
