import assert from 'node:assert/strict';
import fc from 'fast-check';
import { OptionsError, ShapeError } from '../../src/errors.ts';
import { presample, type PresampleOptions } from '../../src/presample/presample.ts';
import { shutGate, tauGate } from '../../src/resample/tau-gate.ts';
import { InFlight } from '../../src/stream/in-flight.ts';
import type { Presample } from '../../src/stream/presample.ts';
import type { Sample } from '../../src/stream/sample.ts';
import { itBehavesLikeAStage } from '../stage-suite.ts';
import { useTestEngine } from '../test-engine.ts';

const schema = { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } } as const;
const sample = (i: number): Sample => ({ id: `s:${i}`, x: [i, i / 2], y: i % 3 });
async function* samples(count: number) {
  for (let i = 0; i < count; i++) yield sample(i);
}
const openGate = () => tauGate({ tauThreshold: 0 });
const stageOf = (options: Partial<PresampleOptions> = {}) =>
  presample({ schema, gate: shutGate(), presampleSize: 8, batchSize: 4, ...options });
const collect = async (source: AsyncIterable<Presample>) => {
  const all: { ids: readonly string[]; x: number[]; y: number[]; phase: string }[] = [];
  for await (const buffer of source) {
    all.push({
      ids: buffer.ids,
      x: [...buffer.column('x').data],
      y: [...buffer.column('y').data],
      phase: buffer.phase,
    });
    buffer.release();
  }
  return all;
};

describe('presample', () => {
  before(useTestEngine);
  itBehavesLikeAStage({ make: stageOf, item: sample, release: (buffer) => buffer.release(), itemsPerOutput: 4 });

  it('fills b samples while the gate is shut and B while it is open', async () => {
    const shut = await collect(stageOf()(samples(8)));
    const open = await collect(stageOf({ gate: openGate() })(samples(8)));
    assert.deepEqual([shut.map(({ ids }) => ids.length), shut[0]!.phase], [[4, 4], 'uniform']);
    assert.deepEqual([open.map(({ ids }) => ids.length), open[0]!.phase], [[8], 'importance']);
  });

  it('drops nothing between fills or at the end, whatever the sizes', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        async (n, b, isOpen) => {
          const stage = stageOf({ batchSize: b, presampleSize: 2 * b, gate: isOpen ? openGate() : shutGate() });
          const buffers = await collect(stage(samples(n)));
          assert.deepEqual(
            buffers.flatMap(({ ids }) => ids),
            Array.from({ length: n }, (_, i) => `s:${i}`),
          );
          assert.deepEqual(
            buffers.flatMap(({ x }) => x),
            Array.from({ length: n }, (_, i) => [i, i / 2]).flat(),
          );
        },
      ),
    ));

  it('never overwrites a buffer that is still held, and uses released ones again', async () => {
    const inFlight = new InFlight();
    const held: Presample[] = [];
    const storages = new Set<ArrayBufferLike>();
    for await (const buffer of stageOf({ inFlight })(samples(40))) {
      held.push(buffer);
      storages.add(buffer.column('x').data.buffer);
      if (held.length === 3) held.shift()!.release();
      assert.deepEqual(
        [...held[0]!.column('y').data],
        held[0]!.ids.map((id) => Number(id.slice(2)) % 3),
      );
    }
    assert.equal(inFlight.samples, 8);
    assert.equal(inFlight.bytes, 8 * 3 * 4);
    assert.ok(storages.size <= 4, `${storages.size} buffers for 10 fills`);
    inFlight.clear();
    assert.equal(inFlight.samples, 0);
  });

  it('refuses a sample that does not match the schema, by id and column', async () => {
    const bad = async function* () {
      yield sample(0);
      yield { id: 's:bad', x: [1, 2, 3], y: 0 };
    };
    await assert.rejects(collect(stageOf()(bad())), (error: ShapeError) => {
      assert.equal(error.code, 'ERR_SHAPE');
      assert.match(error.message, /column `x` of sample s:bad: expected 2 numbers .*, got 3 numbers/);
      return true;
    });
    const missing = async function* () {
      yield { id: 's:0', x: [1, 2] };
    };
    await assert.rejects(collect(stageOf()(missing())), /column `y` of sample s:0: expected a number .* got nothing/);
  });

  it('refuses a sample without an id', async () => {
    const bad = async function* () {
      yield { x: [1, 2], y: 0 } as unknown as Sample;
    };
    await assert.rejects(collect(stageOf()(bad())), ShapeError);
  });

  it('refuses options that are misspelt, out of range or do not fit each other', () => {
    assert.throws(() => stageOf({ batchSise: 4 } as never), /presample\(\): .*batchSise/);
    assert.throws(() => stageOf({ batchSize: 0 }), OptionsError);
    assert.throws(() => stageOf({ batchSize: 9 }), /`batchSize` must be at most `presampleSize`/);
  });
});
