import type * as tf from '@tensorflow/tfjs';

/** The trainers of one run, each in a process of its own, as one of them sees them. */
export interface Trainers {
  /** Which of them this one is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly world: number;
  /** How they sum: by an operation of the compiled step, or by the host between its two halves. @default 'within' */
  readonly sums?: 'within' | 'between';
  /**
   * The sum of a tensor over all trainers, the same bits in each. Every trainer calls the same sums with the same shapes.
   * @param instance tells sums apart
   * @returns owned by the caller; what is summed between halves stays until the next sum alone
   */
  sum(this: void, tensor: tf.Tensor, instance: number): tf.Tensor;
  /** What ended a run: a trainer that was lost, where one was, or else the error itself. */
  explain(error: unknown): Promise<unknown>;
}
