import assert from 'node:assert/strict';
import { ShapeError } from '../../src/errors.ts';
import { presample, type PresampleOptions } from '../../src/presample/presample.ts';
import { shutGate } from '../../src/resample/tau-gate.ts';
import type { Presample } from '../../src/stream/presample.ts';
import type { Sample } from '../../src/stream/sample.ts';

const schema = { x: { type: 'float32', shape: [null, 2] }, y: { type: 'int32', shape: [] } } as const;
/** A sample of so many steps, each [its number, the step]. */
const sample = (i: number, steps: number): Sample => ({
  id: `s:${i}`,
  x: Array.from({ length: 2 * steps }, (_, at) => (at % 2 === 0 ? i : Math.floor(at / 2) + 1)),
  y: i,
});
async function* ofLengths(...lengths: number[]) {
  for (const [i, steps] of lengths.entries()) yield sample(i, steps);
}
const stageOf = (options: Partial<PresampleOptions> = {}) =>
  presample({ schema, gate: shutGate(), presampleSize: 4, batchSize: 2, ...options });

async function first(stage: AsyncIterable<Presample>): Promise<Presample> {
  for await (const buffer of stage) return buffer;
  throw new Error('no buffer');
}

describe('presample of samples with lengths of their own', () => {
  it('pads with zeros, and masks the padding', async () => {
    const buffer = await first(stageOf({ lengths: { pad: 'longest' } })(ofLengths(1, 3)));
    assert.deepEqual(buffer.column('x'), {
      type: 'float32',
      shape: [2, 3, 2],
      data: Float32Array.of(0, 1, 0, 0, 0, 0, 1, 1, 1, 2, 1, 3),
    });
    assert.deepEqual(buffer.column('mask'), {
      type: 'float32',
      shape: [2, 3],
      data: Float32Array.of(1, 0, 0, 1, 1, 1),
    });
    assert.deepEqual(buffer.column('y').shape, [2]);
  });

  it('overwrites what a longer sample left in the same storage', async () => {
    const rows: number[][] = [];
    for await (const buffer of stageOf({ batchSize: 1, lengths: { pad: 'longest' } })(ofLengths(4, 1, 2))) {
      rows.push([...buffer.column('x').data], [...buffer.column('mask').data]);
      buffer.release();
    }
    assert.deepEqual(rows.slice(2), [[1, 1], [1], [2, 1, 2, 2], [1, 1]]);
  });

  it('pads to a ladder of few lengths by default', async () => {
    const padded: number[] = [];
    for await (const buffer of stageOf({ batchSize: 1 })(ofLengths(1, 8, 9, 12, 13, 17, 24, 25, 33, 49, 65)))
      padded.push(buffer.column('x').shape[1]!);
    assert.deepEqual(padded, [8, 8, 12, 12, 16, 24, 24, 32, 48, 64, 96]);
  });

  it("keeps the corpus' own mask as the weight of real steps, and tells these by `steps`", async () => {
    const own = { ...schema, mask: { type: 'float32', shape: [null] } } as const;
    const samples = async function* () {
      yield { ...sample(0, 2), mask: [0, 2] };
    };
    const stage = presample({
      schema: own,
      gate: shutGate(),
      presampleSize: 1,
      batchSize: 1,
      lengths: { boundaries: [3] },
    });
    const buffer = await first(stage(samples()));
    assert.deepEqual([...buffer.column('mask').data], [0, 2, 0]);
    assert.deepEqual([...buffer.column('steps').data], [1, 1, 0]);
  });

  it('refuses columns that differ in length, samples without a step, and schemas without a time axis', async () => {
    const two = { ...schema, z: { type: 'int32', shape: [null] } } as const;
    const differing = async function* () {
      yield { ...sample(7, 2), z: [1, 2, 3] };
    };
    const stage = presample({ schema: two, gate: shutGate(), presampleSize: 1, batchSize: 1 });
    await assert.rejects(first(stage(differing())), {
      code: 'ERR_SHAPE',
      message: /`z` of sample s:7: expected 2 steps/,
    });
    await assert.rejects(first(stageOf()(ofLengths(0))), { code: 'ERR_SHAPE', message: /at least one step/ });
    const fixed = { x: { type: 'float32', shape: [2] } } as const;
    assert.throws(() => stageOf({ schema: fixed, lengths: {} }), ShapeError);
    const late = { x: { type: 'float32', shape: [2, null] } } as const;
    assert.throws(() => stageOf({ schema: late }), ShapeError);
  });
});
