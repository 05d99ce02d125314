import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { useEngine } from '../../src/engine/use-engine.ts';
import type { Column } from '../../src/stream/columns.ts';
import { Minibatch } from '../../src/stream/minibatch.ts';
import { Presample } from '../../src/stream/presample.ts';

const rows = 6;
const columns: Record<string, Column> = {
  float: { type: 'float32', shape: [rows, 2], data: Float32Array.from({ length: 2 * rows }, (_, i) => i / 8) },
  whole: { type: 'int32', shape: [rows], data: Int32Array.from({ length: rows }, (_, i) => 100 - i) },
  byte: { type: 'uint8', shape: [rows, 3], data: Uint8Array.from({ length: 3 * rows }, (_, i) => 200 + i) },
};
const ids = Array.from({ length: rows }, (_, i) => `s:${i}`);
const picks = Int32Array.of(4, 0, 4);

/** A draw of rows 4, 0 and 4 again; the presample's own user is gone, so that it lives as long as its minibatch. */
function drawn(turns: number, isUploaded: boolean): Minibatch {
  using presample = new Presample(ids, columns, 'importance');
  if (isUploaded) for (const name of Object.keys(columns)) presample.tensor(name);
  const weights = Float32Array.of(1, 2, 1);
  return new Minibatch(presample, { phase: 'importance', picks, weights, tau: 2, version: 0, turns });
}

describe('Minibatch', () => {
  before(() => useEngine('cpu'));

  for (const [turns, isUploaded] of [
    [1, false],
    [1, true],
    [2, false],
  ] as const)
    it(`has its rows on the engine, one of ${turns} draws from what ${isUploaded ? 'lies there' : 'is on the host'}`, () => {
      const held = tf.memory().numTensors;
      {
        using batch = drawn(turns, isUploaded);
        assert.deepEqual(batch.tensor('float').arraySync(), [
          [1, 1.125],
          [0, 0.125],
          [1, 1.125],
        ]);
        assert.deepEqual(batch.tensor('whole').arraySync(), [96, 100, 96]);
        assert.deepEqual(batch.tensor('byte').arraySync(), [
          [212, 213, 214],
          [200, 201, 202],
          [212, 213, 214],
        ]);
        assert.deepEqual([batch.tensor('whole').dtype, batch.tensor('byte').dtype], ['int32', 'int32']);
        assert.equal(batch.tensor('float'), batch.tensor('float'));
      }
      assert.equal(tf.memory().numTensors, held);
    });

  it('sends the rows of the only draw to the engine, and the whole presample for several', () => {
    const bytesFor = (turns: number) => {
      const before = tf.memory().numBytes;
      using batch = drawn(turns, false);
      batch.tensor('float');
      return tf.memory().numBytes - before;
    };
    const [drawnBytes, wholeBytes] = [4 * 2 * picks.length, 4 * 2 * rows];
    assert.deepEqual([bytesFor(1), bytesFor(2)], [drawnBytes, drawnBytes + wholeBytes]);
  });

  it('does not change with the storage that its presample was filled in', () => {
    const data = Float32Array.of(1, 2, 3);
    using presample = new Presample(['a', 'b', 'c'], { x: { type: 'float32', shape: [3], data } }, 'importance');
    const draw = { phase: 'importance', weights: Float32Array.of(1), tau: 2, version: 0 } as const;
    using batch = new Minibatch(presample, { ...draw, picks: Int32Array.of(1) });
    const tensor = batch.tensor('x');
    data.fill(9);
    assert.deepEqual([...tensor.dataSync()], [2]);
  });
});
