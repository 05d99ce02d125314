import type * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { Frame } from '../compile/frame.ts';
import type { GraphFunction } from '../compile/graph-function.ts';
import { enclosingFrame, tracing } from '../compile/tracing.ts';

/** A traced body, and the numbers from outside that it takes after its own inputs. */
interface Traced {
  readonly part: GraphFunction;
  readonly captured: readonly number[];
}

/**
 * Runs `body` once for each list of inputs, side by side where there are threads for it. It is traced, and by XLA
 * compiled, once for each list of shapes, not for each list of inputs.
 *
 * @returns the results of `body` for each list of inputs, owned by the caller
 * @throws {CompileError} outside of a compiled step
 */
export function callEach(
  backend: TensorflowBackend,
  inputs: readonly (readonly tf.Tensor[])[],
  body: (inputs: tf.Tensor[]) => tf.Tensor[],
): tf.Tensor[][] {
  const outer = enclosingFrame(backend, 'callEach');
  const traced = new Map<string, Traced>();
  return inputs.map((tensors) => {
    const ids = tensors.map((tensor) => backend.tensors.idOf(tensor));
    const shapes = JSON.stringify(ids.map((id) => outer.specOf(id).shape));
    const { part, captured } = traced.get(shapes) ?? trace(backend, outer, ids, body);
    traced.set(shapes, { part, captured });
    return outer.executeCall(part, [...ids, ...captured]).map((output) => backend.tensors.tensorOf(output));
  });
}

function trace(
  backend: TensorflowBackend,
  outer: Frame,
  ids: readonly number[],
  body: (inputs: tf.Tensor[]) => tf.Tensor[],
): Traced {
  const { tensors } = backend;
  const frame = new Frame(backend, outer);
  try {
    const inputs = ids.map((id) => frame.input(outer.specOf(id)));
    const results = tracing(backend, frame, () =>
      body(inputs.map(({ id, shape, dtype }) => tensors.tensorOf({ id, shape: [...shape], dtype }))).map((tensor) =>
        tensors.idOf(tensor),
      ),
    );
    const part = frame.build('part', results);
    outer.use(part);
    return { part, captured: [...frame.captured.keys()] };
  } finally {
    frame.dispose();
  }
}
