import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import { dataTypes } from '../binding/data-types.ts';

/**
 * Tensors [..., F] beside each other along the last axis, by writing one after the other into the result: XLA computes
 * each in its place there, while those of a concatenation lie in memory all at once before they are copied. It has to be
 * within what XLA compiles.
 */
export function writtenSideBySide(backend: TensorflowBackend, parts: readonly tf.Tensor[]): tf.Tensor {
  const { engineBinding: binding, tensors } = backend;
  const rows = parts[0]?.shape.slice(0, -1) ?? [];
  const widths = parts.map(({ shape }) => shape.at(-1) ?? 1);
  const shape = [...rows, widths.reduce((sum, width) => sum + width, 0)];
  // An operation of the graph, where `tf.zeros` would be as many numbers on the host.
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- a tensor, not an array
  const empty: tf.Tensor = tf.fill(shape, 0);
  let column = 0;
  return parts.reduce((all, part, i) => {
    const place = binding.createTensor([shape.length], dataTypes.int32, [...rows.map(() => 0), column]);
    column += widths[i] ?? 0;
    const [made] = binding.executeOp('XlaDynamicUpdateSlice', [], [tensors.idOf(all), tensors.idOf(part), place], 1);
    if (!made) throw new RangeError('XlaDynamicUpdateSlice gave no output.');
    return tensors.tensorOf({ ...made, shape });
  }, empty);
}
