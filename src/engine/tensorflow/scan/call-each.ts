import type * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { enclosingFrame } from '../compile/tracing.ts';
import { tracePart, type TracedPart } from './trace-part.ts';

/**
 * Runs `body` once for each list of inputs, side by side where there are threads for it. It is traced, and by XLA
 * compiled, once for each list of shapes and types, not for each list of inputs.
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
  const traced = new Map<string, TracedPart>();
  return inputs.map((tensors) => {
    const ids = tensors.map((tensor) => backend.tensors.idOf(tensor));
    const specs = ids.map((id) => outer.specOf(id));
    const signature = JSON.stringify(specs.map(({ shape, dtype }) => [shape, dtype]));
    const { part, captured } = traced.get(signature) ?? tracePart(backend, outer, 'part', ids, body);
    traced.set(signature, { part, captured });
    return outer.executeCall(part, [...ids, ...captured]).map((output) => backend.tensors.tensorOf(output));
  });
}
