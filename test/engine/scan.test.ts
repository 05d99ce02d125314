import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { scan, type ScanStep } from '../../src/engine/scan.ts';
import { ShapeError } from '../../src/errors.ts';
import { useTestEngine } from '../test-engine.ts';

const add: ScanStep = ([sum], [a]) => ({ carry: [tf.add(sum!, a!)], outputs: [] });

describe('scan', () => {
  before(useTestEngine);

  for (const [what, shapes] of [
    ['of two lengths', [[3], [2]]],
    ['without a length', [[]]],
    ['that are none', []],
  ] as const) {
    it(`refuses sequences ${what}`, () => {
      tf.tidy(() => {
        const sequences = shapes.map((shape) => tf.ones([...shape]));
        assert.throws(() => scan(add, { carry: [tf.scalar(0)], sequences }), ShapeError);
      });
    });
  }

  it('leaves no tensor but its results, which are the caller’s own', () => {
    const [start, rows, weight] = [tf.scalar(1), tf.tensor1d([1, 2, 3, 4]), tf.scalar(2)];
    const step: ScanStep = ([sum, last], [row], [by]) => ({
      carry: [sum!.add(row!.mul(by!)), last!],
      outputs: [sum!.square().neg()],
    });
    const before = tf.memory().numTensors;
    const { carry, outputs } = scan(step, { carry: [start, start], sequences: [rows], constants: [weight] });
    assert.equal(tf.memory().numTensors, before + 3);
    assert.deepEqual(
      [...carry, ...outputs].map((tensor) => tensor.arraySync()),
      [21, 1, [-1, -9, -49, -169]],
    );
    tf.dispose([carry, outputs]);
    assert.equal(tf.memory().numTensors, before);
    assert.equal(start.arraySync(), 1);
    tf.dispose([start, rows, weight]);
  });

  it('gives outputs of no rows, and the state it began with, for sequences of none', () => {
    const step: ScanStep = ([h], [row, index], [w]) => ({
      carry: [h!.mul(w!)],
      outputs: [tf.concat([h!, row!]), tf.add(index!, tf.scalar(1, 'int32'))],
    });
    const [start, w] = [tf.tensor1d([1, 2]), tf.scalar(3)];
    const sequences = [tf.zeros([0, 3]), tf.zeros([0], 'int32')];
    const before = tf.memory().numTensors;
    const { carry, outputs } = scan(step, { carry: [start], sequences, constants: [w] });
    assert.equal(tf.memory().numTensors, before + 3);
    assert.deepEqual(carry[0]?.arraySync(), [1, 2]);
    assert.deepEqual(
      outputs.map(({ shape, dtype }) => ({ shape, dtype })),
      [
        { shape: [0, 5], dtype: 'float32' },
        { shape: [0], dtype: 'int32' },
      ],
    );
    tf.dispose([carry, outputs]);
    assert.deepEqual(start.arraySync(), [1, 2]);
    tf.dispose([start, w, sequences]);
  });
});
