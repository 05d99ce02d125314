import * as tf from '@tensorflow/tfjs';
import type { RecurrenceInputs } from '../../layers/recurrent-sequence.ts';

/** The sizes of a recurrence. */
export const sizesOf = ({ x, recurrentKernel }: RecurrenceInputs) => {
  const [batch, steps, input] = x.shape;
  return { batch, steps, input, size: recurrentKernel.shape[0] };
};

/** Bytes of weights that stay in a core's caches from step to step. Measured: LSTMs of 512 units (4 MB) gain by what counts on it, of 724 (8 MB) lose. */
const CACHED = 4 * 2 ** 20;

/** Whether so many float32 weights stay in a core's caches while it goes through the steps. */
export const fitsCaches = (weights: number): boolean => weights * Float32Array.BYTES_PER_ELEMENT <= CACHED;

/** [B, T, F] -> [T * B, F] */
export const byStep = (x: tf.Tensor3D): tf.Tensor2D => {
  const [batch, steps, features] = x.shape;
  return x.transpose([1, 0, 2]).reshape([steps * batch, features]);
};

/** [B, T] -> [T, B, 1] */
export const stepsOf = (mask: tf.Tensor2D): tf.Tensor => mask.transpose().expandDims(-1);

/** The values before each step of [T, B, H]: the first one [B, H], then all but the last. */
export function shifted(first: tf.Tensor | undefined, values: tf.Tensor): tf.Tensor {
  const [steps = 0, ...rest] = values.shape;
  const head = first ? first.expandDims(0) : tf.zeros([1, ...rest]);
  return steps === 1 ? head : tf.concat([head, values.slice([0, 0, 0], [steps - 1, ...rest])], 0);
}
