/* oxlint-disable typescript/no-unsafe-type-assertion -- TensorFlow.js' operations lose the ranks that the line beside each assertion gives back */
import * as tf from '@tensorflow/tfjs';
import type { RecurrentSequence } from '../../layers/recurrent-sequence.ts';

/**
 * Makes a recurrence that knows lengths only answer for any mask: the steps that count are moved together to the front,
 * and each step then takes the output of the last one that counted, or the state before the first. A sequence with
 * none is run for one step of zeros, which nobody reads.
 *
 * @param sequence gets masks that are ones, then zeros, with at least a single one; its outputs after them are not read
 */
export const overGaps =
  (sequence: RecurrentSequence): RecurrentSequence =>
  (x, kernel, recurrentKernel, bias, options) => {
    const { mask, initialState, needsStates } = options;
    if (!mask) return sequence(x, kernel, recurrentKernel, bias, options);
    const [batch, steps, inputSize] = x.shape;
    const size = recurrentKernel.shape[0];
    const [hidden, cell] = [0, 1].map((i) => initialState?.[i] ?? tf.zeros<tf.Rank.R2>([batch, size])) as [
      ...[tf.Tensor2D, tf.Tensor2D],
    ];
    const counted = mask.cumsum(1); // [B, T], the steps that count so far
    const count = mask.sum(1, true); // [B, 1]
    const together = rows(x, segmentsOf(mask, counted), batch * steps).reshape<tf.Tensor3D>([batch, steps, inputSize]);
    const front = tf.range(0, steps).less(tf.maximum(count, 1)).toFloat().as2D(batch, steps);
    const ran = sequence(together, kernel, recurrentKernel, bias, {
      ...options,
      initialState: [hidden, cell],
      mask: front,
    });
    const outputs = spread(ran.outputs, hidden, counted);
    if (needsStates !== true) return { outputs, states: [] };
    const last = outputs.slice([0, steps - 1, 0], [batch, 1, size]).reshape<tf.Tensor2D>([batch, size]);
    const lastCell = tf.where(count.greater(0), ran.states[1]!, cell);
    return { outputs, states: [last, lastCell] };
  };

/** Where each step goes of all B * T, and -1 for those that do not count, int32 [B * T]. */
function segmentsOf(mask: tf.Tensor2D, counted: tf.Tensor): tf.Tensor1D {
  const [batch, steps] = mask.shape;
  const first = tf.range(0, batch, 1, 'int32').mul(tf.scalar(steps, 'int32')).expandDims(1); // [B, 1]
  const place = counted.sub(1).toInt().add(first);
  return tf.where(mask.greater(0), place, tf.scalar(-1, 'int32')).flatten();
}

/** Moves the steps of x [B, T, I] to their places among `length` rows; places that none goes to are zeros. */
const rows = (x: tf.Tensor3D, places: tf.Tensor1D, length: number): tf.Tensor =>
  tf.unsortedSegmentSum(x.reshape([x.shape[0] * x.shape[1], x.shape[2]]), places, length);

/** The output after `counted` steps, at each step: [B, T, H] by steps that count -> [B, T, H] by all steps. */
function spread(outputs: tf.Tensor3D, before: tf.Tensor2D, counted: tf.Tensor): tf.Tensor3D {
  const [batch, steps, size] = outputs.shape;
  const all = tf.concat([before.expandDims(1), outputs], 1).reshape([batch * (steps + 1), size]);
  const first = tf
    .range(0, batch, 1, 'int32')
    .mul(tf.scalar(steps + 1, 'int32'))
    .expandDims(1); // [B, 1]
  return tf.gather(all, counted.toInt().add(first).flatten()).reshape([batch, steps, size]);
}
