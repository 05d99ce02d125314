import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { useEngine } from '../../../src/engine/use-engine.ts';
import { heapOf } from '../../../src/engine/wasm/heap.ts';
import { EngineError } from '../../../src/errors.ts';

describe('WasmHeap', () => {
  before(() => useEngine('wasm'));

  it('makes a tensor that cannot fit an error, and goes on', () => {
    // 4 GiB, which wraps to 0 in 32 bits; and a little less, to which the heap cannot grow.
    for (const size of [2 ** 30, 2 ** 30 - 2 ** 10]) {
      assert.throws(
        () => tf.engine().runKernel('Fill', {}, { shape: [size], value: 0, dtype: 'float32' }),
        (error: unknown) => {
          assert.ok(error instanceof EngineError, String(error));
          assert.match(error.message, /4096\.0 MiB.*smaller batches/);
          return true;
        },
      );
    }
    const ones = tf.ones([3]);
    assert.deepEqual(Array.from(ones.dataSync()), [1, 1, 1]);
    ones.dispose();
  });

  it('lends scratch memory in pieces that do not overlap, and takes it back when the use throws', () => {
    const heap = heapOf(tf.backend());
    const pieces = heap.withScratch([5, 0, 100], (...at) => at);
    assert.equal(pieces.length, 3);
    assert.ok(pieces.every((at) => at > 0 && at % 16 === 0));
    assert.deepEqual([pieces[1]! - pieces[0]!, pieces[2]! - pieces[1]!], [16, 0]);
    assert.throws(() => heap.withScratch([64], () => assert.fail('in use')), /in use/);
    assert.deepEqual(
      heap.withScratch([5, 0, 100], (...at) => at),
      pieces,
    );
  });

  it('refuses a backend of another kind', () => {
    assert.throws(() => heapOf({}), TypeError);
  });

  it('stays level over training steps', async () => {
    const layers = [
      tf.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [8, 8, 3] }),
      tf.layers.batchNormalization(),
      tf.layers.flatten(),
      tf.layers.dense({ units: 2 }),
    ];
    const model = tf.sequential({ layers });
    const optimizer = tf.train.sgd(0.01);
    model.compile({ optimizer, loss: 'meanSquaredError' });
    const [x, y] = [tf.randomUniform([16, 8, 8, 3], -1, 1, 'float32', 1), tf.zeros([16, 2])];
    for (let i = 0; i < 20; i++) await model.trainOnBatch(x, y);
    const [bytes, tensors] = [heapOf(tf.backend()).bytes, tf.memory().numTensors];
    for (let i = 0; i < 200; i++) await model.trainOnBatch(x, y);
    assert.deepEqual([heapOf(tf.backend()).bytes, tf.memory().numTensors], [bytes, tensors]);
    tf.dispose([x, y]);
    model.dispose();
    optimizer.dispose();
  });
});
