import * as tf from '@tensorflow/tfjs';

/**
 * Draws rows with replacement in proportion to scores, by given uniform numbers, within the engine: in double precision,
 * so that the rows are those that `drawWithReplacement` finds on the host by the same numbers (but TensorFlow takes scores
 * below 1.2e-38, which have no normal form in float32, for 0).
 *
 * @param uniforms the bits of n numbers in [0, 1) of double precision, int32 [n, 2]: see `bitsOf`
 * @returns rows [n] (int32) and their weights 1 / (B g) [n], owned by the caller
 */
export type DrawRows = (
  scores: tf.Tensor1D /* [B] */,
  uniforms: tf.Tensor2D,
) => { readonly picks: tf.Tensor1D; readonly weights: tf.Tensor1D };

const byBackend = new Map<string, DrawRows>();

/** Makes `implementation` the draw while the TensorFlow.js backend `backendName` is active. */
export function replaceDrawRows(backendName: string, implementation: DrawRows): void {
  byBackend.set(backendName, implementation);
}

/** The active backend's draw, if it has one. */
export const ownDrawRows = (): DrawRows | undefined => byBackend.get(tf.getBackend());

/** The bits of numbers of double precision, as a tensor of a type that TensorFlow.js knows. @returns [n, 2] */
export const bitsOf = (numbers: Float64Array): tf.Tensor2D =>
  tf.tensor2d(new Int32Array(numbers.buffer, numbers.byteOffset, 2 * numbers.length), [numbers.length, 2], 'int32');
