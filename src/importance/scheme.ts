import type * as tf from '@tensorflow/tfjs';
import type { Head } from '../model/head.ts';

/**
 * How samples are scored. A scheme works on the head's pre-activations z, which a scoring pass and a training step both
 * have at hand: so a uniform step's own forward pass gives its samples' scores for nothing.
 */
export interface Scheme {
  readonly name: string;
  /**
   * The scores of B samples: at least 0, unnormalised. Absent for a scheme that never scores.
   * @returns [B], owned by the caller
   */
  readonly score?: (head: Head, z: readonly tf.Tensor[], y: readonly tf.Tensor[], mask?: tf.Tensor) => tf.Tensor1D;
}
