import * as tf from '@tensorflow/tfjs';

/**
 * Softmax cross-entropy of logits [N, C] with classes [N] (int32), and its derivative by the logits, softmax(z) - onehot.
 * The loss is differentiable by the logits.
 * @returns losses [N] and slopes [N, C], owned by the caller
 */
export type SparseCrossEntropy = (
  logits: tf.Tensor2D,
  classes: tf.Tensor1D,
) => { readonly losses: tf.Tensor1D; readonly slopes: tf.Tensor2D };

const byBackend = new Map<string, SparseCrossEntropy>();

/** Makes `implementation` the cross-entropy while the TensorFlow.js backend `backendName` is active. */
export function replaceCrossEntropy(backendName: string, implementation: SparseCrossEntropy): void {
  byBackend.set(backendName, implementation);
}

/** The active backend's own cross-entropy, one operation for loss and derivative, if it has one. */
export const ownCrossEntropy = (): SparseCrossEntropy | undefined => byBackend.get(tf.getBackend());
