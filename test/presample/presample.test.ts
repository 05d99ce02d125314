import assert from 'node:assert/strict';
import fc from 'fast-check';
import { OptionsError, ShapeError } from '../../src/errors.ts';
import { presample, type PresampleOptions } from '../../src/presample/presample.ts';
import { shutGate, tauGate } from '../../src/resample/tau-gate.ts';
import { InFlight } from '../../src/stream/in-flight.ts';
import type { Presample } from '../../src/stream/presample.ts';
import type { Gate } from '../../src/stream/gate.ts';
import type { Sample, SampleRows } from '../../src/stream/sample.ts';
import { createTurnstile } from '../../src/stream/turnstile.ts';
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

  describe('while a step is computed', () => {
    /** A source that writes rows and counts them; from `failsAt` on it fails. */
    const rowsOf = (count: number, failsAt = Infinity) => {
      const taken = { rows: 0 };
      const fillRows = async ({ columns }: SampleRows, rows: number) => {
        const ids: string[] = [];
        for (; ids.length < rows && taken.rows < count; taken.rows++) {
          if (taken.rows === failsAt) throw new Error('no more of this');
          const { id, x, y } = sample(taken.rows);
          columns['x']!.set(x as number[], 2 * ids.length);
          columns['y']![ids.length] = Number(y);
          ids.push(id);
        }
        return ids;
      };
      return { taken, source: Object.assign(samples(0), { fillRows }) };
    };
    /** A gate that is open for some fills, by their number. */
    const gateFor = (isOpenAt: (fill: number) => boolean) => {
      const state = { fill: 0 };
      const gate: Gate = {
        get isOpen() {
          return isOpenAt(state.fill);
        },
        tau: 1,
        observe: () => {},
      };
      return { gate, state };
    };
    async function run(
      { source }: ReturnType<typeof rowsOf>,
      isOpenAt: (fill: number) => boolean,
      computes: (fill: number) => boolean,
    ) {
      const { gate, state } = gateFor(isOpenAt);
      const turnstile = createTurnstile(0);
      const buffers = stageOf({ gate, turnstile })(source);
      const all: unknown[] = [];
      for (let pending = buffers.next(); ;) {
        const { value, done } = await pending;
        if (done) return all;
        const { ids, phase, passed, rows } = value;
        all.push({ ids, phase, passed, rows, x: [...value.column('x').data], y: [...value.column('y').data] });
        pending = buffers.next();
        pending.catch(() => {}); // thrown where it is awaited
        if (computes(state.fill)) await turnstile.computing!();
        value.release();
        state.fill += 1;
        turnstile.leave();
      }
    }

    it('takes the samples of the next fill, and no more', async () => {
      const rows = rowsOf(100);
      const turnstile = createTurnstile(0);
      const buffers = stageOf({ turnstile })(rows.source);
      await buffers.next();
      void buffers.next();
      for (let i = 0; i < 3; i++) await turnstile.computing!();
      assert.equal(rows.taken.rows, 8);
      void buffers.return();
    });

    it('changes no buffer, however the gate moves and the source ends', () =>
      fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: 40 }),
          fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
          fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
          async (count, open, computed) => {
            const at = (flags: readonly boolean[]) => (fill: number) => flags[fill % flags.length]!;
            const expected = await run(rowsOf(count), at(open), () => false);
            assert.deepEqual(await run(rowsOf(count), at(open), at(computed)), expected);
          },
        ),
      ));

    it('fails at the fill that wants what could not be taken', async () => {
      const rows = rowsOf(100, 6);
      const turnstile = createTurnstile(0);
      const buffers = stageOf({ turnstile })(rows.source);
      const first = await buffers.next();
      assert.deepEqual(first.value!.ids, ['s:0', 's:1', 's:2', 's:3']);
      const second = buffers.next();
      await turnstile.computing!();
      turnstile.leave();
      await assert.rejects(second, { message: 'no more of this' });
    });
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
