import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { CompileError } from '../../../../src/errors.ts';
import { callEach } from '../../../../src/engine/tensorflow/scan/call-each.ts';
import { describeWithTensorflow } from '../with-tensorflow.ts';

describeWithTensorflow('callEach', (engine) => {
  it('traces once for each list of shapes, and takes tensors from outside along', () => {
    let traces = 0;
    const step = engine().compile((x: tf.Tensor, weights: tf.Tensor) => {
      const pieces = tf.split(x, [2, 3, 2], 0).map((piece) => [piece]);
      const results = callEach(engine().backend, pieces, ([piece]) => {
        traces++;
        return [piece!.mul(weights), piece!.sum()];
      });
      return results.flat();
    });
    const x = tf.range(0, 7);
    const weights = tf.scalar(10);
    const read = tf.tidy(() => step(x, weights).map((tensor) => Array.from(tensor.dataSync())));
    assert.deepEqual(read, [[0, 10], [1], [20, 30, 40], [9], [50, 60], [11]]);
    assert.equal(traces, 2);
    step.dispose();
    tf.dispose([x, weights]);
  });

  it('is refused outside of a compiled step', () => {
    assert.throws(() => callEach(engine().backend, [], () => []), CompileError);
  });
});
