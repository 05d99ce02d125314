import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { useEngine } from '../../../src/engine/use-engine.ts';

describe('unsortedSegmentSum', () => {
  before(() => useEngine('wasm'));

  it('adds the rows of each segment and drops those outside', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [3, 5]);
      const sum = (ids: number[]) => tf.unsortedSegmentSum(x, tf.tensor1d(ids, 'int32'), 3).arraySync();
      assert.deepEqual(sum([2, 0, 2]), [
        [6, 7, 8, 9, 10],
        [0, 0, 0, 0, 0],
        [12, 14, 16, 18, 20],
      ]);
      assert.deepEqual(sum([-1, 1, 3]), [
        [0, 0, 0, 0, 0],
        [6, 7, 8, 9, 10],
        [0, 0, 0, 0, 0],
      ]);
    });
  });

  it('is the gradient of an embedding', () => {
    tf.tidy(() => {
      const table = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);
      const gradient = tf.grad((t: tf.Tensor) =>
        tf
          .gather(
            t,
            tf.tensor2d(
              [
                [2, 2],
                [0, 2],
              ],
              [2, 2],
              'int32',
            ),
          )
          .square()
          .sum(),
      )(table);
      assert.deepEqual(gradient.arraySync(), [
        [2, 4],
        [0, 0],
        [30, 36],
      ]);
    });
  });
});
