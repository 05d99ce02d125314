import type * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { Frame } from '../compile/frame.ts';
import { enclosingFrame, tracing } from '../compile/tracing.ts';

/**
 * Runs `body` as a function of its own within the step that is being compiled, which XLA compiles as a whole: for loops
 * of many small operations, where starting each costs more than computing it.
 *
 * @returns the results of `body`, owned by the caller
 * @throws {CompileError} outside of a compiled step
 */
export function xlaCall(backend: TensorflowBackend, body: () => tf.Tensor[]): tf.Tensor[] {
  const { tensors } = backend;
  const outer = enclosingFrame(backend, 'xlaCall');
  const frame = new Frame(backend, outer);
  try {
    const ids = tracing(backend, frame, () => body().map((tensor) => tensors.idOf(tensor)));
    const part = frame.build('xla', ids);
    outer.use(part);
    return outer.executeCall(part, [...frame.captured.keys()], { xla: true }).map((output) => tensors.tensorOf(output));
  } finally {
    frame.dispose();
  }
}
