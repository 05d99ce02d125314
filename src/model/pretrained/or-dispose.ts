import type * as tf from '@tensorflow/tfjs';

/** Does something with a model, which is disposed when that fails. */
export async function orDispose<Result>(model: tf.LayersModel, work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    model.dispose();
    throw error;
  }
}
