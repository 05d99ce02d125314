import * as tf from '@tensorflow/tfjs';
import type { WeightedBatch } from './weighted-batch.ts';

/** One element: a minibatch's input and target, [b, ...], and its samples' weights, [b]. */
export type BatchTensors = { xs: tf.Tensor; ys: tf.Tensor; weights: tf.Tensor1D };

/** Reads batches as a `tf.data.Dataset` of one pass. Its elements are owned by the consumer. */
export const batchDataset = (batches: AsyncIterator<WeightedBatch>): tf.data.Dataset<BatchTensors> =>
  tf.data.generator<BatchTensors>(async () => {
    // tfjs awaits what `next` gives, though its type asks for an Iterator.
    return {
      async next() {
        const result = await batches.next();
        return result.done ? { done: true, value: undefined } : { done: false, value: tensorsOf(result.value) };
      },
    } as unknown as Iterator<BatchTensors>;
  });

const tensorsOf = (batch: WeightedBatch): BatchTensors => ({
  xs: batch.tensor('x').clone(),
  ys: batch.tensor('y').clone(),
  weights: tf.tensor1d(batch.weights),
});
