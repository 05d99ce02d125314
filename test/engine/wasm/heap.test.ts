import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { useEngine } from '../../../src/engine/use-engine.ts';
import { guardAllocation, heapOf, WasmHeap } from '../../../src/engine/wasm/heap.ts';
import { EngineError } from '../../../src/errors.ts';

const isFull = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EngineError, String(error));
  assert.match(error.message, pattern);
  return true;
};

/** An allocator that has no room for more than 100 bytes. */
const small = (bytes: number) => (bytes > 100 ? 0 : 8);

describe('guardAllocation', () => {
  it('makes an allocation that fails an error, also where the first call replaces the function', () => {
    const freed: number[] = [];
    const module = {
      HEAPU8: new Uint8Array(1024),
      _malloc: (bytes: number) => (module._malloc = small)(bytes),
      _free: (at: number) => void freed.push(at),
    };
    guardAllocation(module);
    assert.equal(module._malloc(100), 8);
    assert.throws(() => module._malloc(101), isFull(/smaller batches/));
    assert.throws(() => module._malloc(101), isFull(/smaller batches/));
    assert.deepEqual(freed, [8]);
  });

  it('gives addresses above 2 GiB as positive numbers', () => {
    const module = { HEAPU8: new Uint8Array(1), _malloc: () => -16, _free: () => undefined };
    guardAllocation(module);
    assert.equal(Reflect.apply(module._malloc, module, [1]), 2 ** 32 - 16);
  });
});

describe('WasmHeap', () => {
  before(() => useEngine('wasm'));

  it('makes a tensor of 2 GiB and more an error, and goes on', () => {
    for (const size of [2 ** 29, 2 ** 30]) {
      const fill = () => tf.engine().runKernel('Fill', {}, { shape: [size], value: 0, dtype: 'float32' });
      assert.throws(fill, isFull(/(2048|4096)\.0 MiB.*smaller batches/));
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
    // 4 GiB in all, which is all that there could be
    for (let round = 0; round < 4096; round++)
      assert.throws(() => heap.withScratch([2 ** 20], () => assert.fail('in use')), /in use/);
  });

  it('lends scratch memory above 2 GiB at addresses that can be looked at', () => {
    const { asm } = (tf.backend() as unknown as { wasm: { asm: object } }).wasm;
    const start = 2 ** 31 + 8;
    const module = { asm, HEAPU8: new Uint8Array(1), _malloc: () => start | 0, _free: () => undefined };
    const heap = new WasmHeap({ wasm: module } as unknown as BackendWasm); // what it uses of one
    assert.deepEqual(
      heap.withScratch([20, 4], (...at) => at),
      [2 ** 31 + 16, 2 ** 31 + 48],
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
