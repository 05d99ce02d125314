import type * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { Frame } from '../compile/frame.ts';
import type { GraphFunction } from '../compile/graph-function.ts';
import { tracing } from '../compile/tracing.ts';

/** A function of the step that is being compiled, which that step owns. */
export interface TracedPart {
  readonly part: GraphFunction;
  /** Numbers of tensors from outside that it takes after its own inputs. */
  readonly captured: readonly number[];
}

/** Traces `body` as a function of its own within `outer`, with an input for each of the tensors numbered `ids`. */
export function tracePart(
  backend: TensorflowBackend,
  outer: Frame,
  name: string,
  ids: readonly number[],
  body: (inputs: tf.Tensor[]) => tf.Tensor[],
): TracedPart {
  const { tensors } = backend;
  const frame = new Frame(backend, outer);
  try {
    const inputs = ids.map((id) => frame.input(outer.specOf(id)));
    const results = tracing(backend, frame, () => {
      const symbols = inputs.map(({ id, shape, dtype }) => tensors.tensorOf({ id, shape: [...shape], dtype }));
      return body(symbols).map((tensor) => tensors.idOf(tensor));
    });
    const part = frame.build(name, results);
    outer.use(part);
    return { part, captured: [...frame.captured.keys()] };
  } finally {
    frame.dispose();
  }
}
