import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ShapeError } from '../../src/errors.ts';
import { presample, type PresampleOptions } from '../../src/presample/presample.ts';
import { importance } from '../../src/importance/importance.ts';
import { resample } from '../../src/resample/resample.ts';
import { shutGate, tauGate } from '../../src/resample/tau-gate.ts';
import type { Gate } from '../../src/stream/gate.ts';
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

/** A gate that opens and shuts as it is told, fill by fill. */
const scripted = (script: readonly boolean[]): Gate => {
  let fill = 0;
  return {
    ...shutGate(),
    get isOpen() {
      return script[fill++ % script.length]!;
    },
  };
};

/** Lengths of samples, and what is done about them. */
const cases = fc
  .record({
    lengths: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 80 }),
    boundaries: fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
    sizes: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 4, maxLength: 4 }),
    tokens: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
    hasSizes: fc.boolean(),
    script: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
    truncate: fc.constantFrom('end', 'start', 'drop'),
  })
  .map(({ boundaries, sizes, tokens, hasSizes, truncate, ...rest }) => {
    const ascending = boundaries.toSorted((a, b) => a - b);
    const own = tokens ? { tokensPerBatch: tokens } : hasSizes ? { batchSizes: sizes.slice(0, ascending.length) } : {};
    return { ...rest, options: { boundaries: ascending, truncate, ...own } as const };
  });

interface Seen {
  readonly ids: readonly string[];
  readonly x: readonly number[];
  readonly shape: readonly number[];
  readonly mask: readonly number[];
  readonly passed: Presample['passed'];
}

async function bucketed(samples: AsyncIterable<Sample>, options: Partial<PresampleOptions>): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const buffer of stageOf(options)(samples)) {
    const [x, mask] = [buffer.column('x'), buffer.column('mask')];
    const { ids, passed } = buffer;
    seen.push({ ids, passed, x: [...x.data], shape: x.shape, mask: [...mask.data] });
    buffer.release();
  }
  return seen;
}

describe('buckets of lengths', () => {
  it('give each sample once, from one bucket a buffer, in the order in which its samples came', () =>
    fc.assert(
      fc.asyncProperty(cases, async ({ lengths, options, script }) => {
        const { boundaries, truncate } = options;
        const most = boundaries.at(-1)!;
        const dropped: string[] = [];
        const seen = await bucketed(ofLengths(...lengths), {
          lengths: options,
          gate: scripted(script),
          onDrop: (id, steps) => dropped.push(`${id} ${steps}`),
        });
        const isDropped = (steps: number) => truncate === 'drop' && steps > most;
        const wanted = lengths.flatMap((steps, i) => (isDropped(steps) ? [] : [i]));
        const given = seen.flatMap(({ ids }) => ids.map((id) => Number(id.slice(2))));
        assert.deepEqual(
          given.toSorted((a, b) => a - b),
          wanted,
        );
        assert.deepEqual(
          dropped,
          lengths.flatMap((steps, i) => (isDropped(steps) ? [`s:${i} ${steps}`] : [])),
        );
        const bucketOf = (i: number) => boundaries.findIndex((end) => end >= Math.min(lengths[i]!, most));
        boundaries.forEach((end, bucket) => {
          const own = seen.filter(({ shape }) => shape[1] === end);
          const numbers = own.flatMap(({ ids }) => ids.map((id) => Number(id.slice(2))));
          assert.deepEqual(
            numbers,
            wanted.filter((i) => bucketOf(i) === bucket),
          );
        });
      }),
    ));

  it('cut what is too long at its end or its start, and mask what is not there', () =>
    fc.assert(
      fc.asyncProperty(cases, async ({ lengths, options, script }) => {
        for (const { ids, x, shape, mask } of await bucketed(ofLengths(...lengths), {
          lengths: options,
          gate: scripted(script),
        }))
          ids.forEach((id, row) => {
            const i = Number(id.slice(2));
            const padded = shape[1]!;
            const steps = Math.min(lengths[i]!, padded);
            const begin = options.truncate === 'start' ? lengths[i]! - steps : 0;
            const wanted = Array.from({ length: padded }, (_, t) => (t < steps ? [i, begin + t + 1] : [0, 0])).flat();
            assert.deepEqual(x.slice(row * 2 * padded, (row + 1) * 2 * padded), wanted);
            const real = Array.from({ length: padded }, (_, t) => (t < steps ? 1 : 0));
            assert.deepEqual(mask.slice(row * padded, (row + 1) * padded), real);
          });
      }),
    ));

  it('tell which samples of the source are done with, after each buffer', () =>
    fc.assert(
      fc.asyncProperty(cases, async ({ lengths, options, script }) => {
        const dropped: number[] = [];
        const onDrop = (id: string) => dropped.push(Number(id.slice(2)));
        const given: number[] = [];
        const gate = scripted(script);
        for (const { ids, passed } of await bucketed(ofLengths(...lengths), { lengths: options, gate, onDrop })) {
          given.push(...ids.map((id) => Number(id.slice(2))));
          const done = new Set([...given, ...dropped]);
          const waiting = Array.from({ length: passed.taken }, (_, i) => i).filter((i) => !done.has(i));
          assert.deepEqual(passed.waiting, waiting);
        }
      }),
    ));

  it('fill a bucket of its own size, by samples or by steps', async () => {
    const sizes = async (options: PresampleOptions['lengths']) => {
      const all = await bucketed(ofLengths(...Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? 3 : 9))), {
        lengths: options,
      });
      return all.map(({ shape }) => shape.slice(0, 2));
    };
    assert.deepEqual(await sizes({ boundaries: [4, 10], batchSizes: [6, 3] }), [
      [3, 10],
      [6, 4],
      [3, 10],
      [3, 10],
      [6, 4],
      [3, 10],
    ]);
    assert.deepEqual((await sizes({ boundaries: [4, 10], tokensPerBatch: 30 })).slice(0, 3), [
      [3, 10],
      [3, 10],
      [7, 4],
    ]);
  });

  it('refuse what is too long, by name, unless told otherwise', async () => {
    await assert.rejects(bucketed(ofLengths(2, 9), { lengths: { boundaries: [4, 8] } }), {
      code: 'ERR_SHAPE',
      message: /sample s:1: expected at most 8 steps.*got 9/,
    });
  });

  it('refuse options that do not fit each other', () => {
    const wrong: PresampleOptions['lengths'][] = [
      { boundaries: [8, 4] },
      { boundaries: [] },
      { boundaries: [4], batchSizes: [1, 2] },
      { tokensPerBatch: 100 },
      { boundaries: [4], batchSizes: [1], tokensPerBatch: 100 },
      { truncate: 'end' },
      { boundaries: [4], bucket: false, tokensPerBatch: 100 },
    ];
    for (const lengths of wrong)
      assert.throws(() => stageOf({ lengths }), { code: 'ERR_OPTIONS' }, JSON.stringify(lengths));
  });
});

describe('weights of bucketed minibatches', () => {
  /** Runs the stages, and adds up what a step takes of each sample: 1/size w_i in expectation over the draw. */
  async function shares(lengths: number[], options: PresampleOptions['lengths'], isOpen: boolean) {
    const gate = isOpen ? tauGate({ tauThreshold: 0 }) : shutGate();
    const scoreOf = (id: string) => 1 + (Number(id.slice(2)) % 5);
    const scorer = { score: async ({ ids }: Presample) => Float32Array.from(ids, scoreOf) };
    const taken = new Float64Array(lengths.length);
    const stages = resample({ gate, batchSize: 4, seed: 1 })(
      importance(scorer)(
        presample({ schema, gate, presampleSize: 12, batchSize: 4, lengths: options })(ofLengths(...lengths)),
      ),
    );
    for await (const batch of stages) {
      const { ids } = batch.presample;
      const total = ids.reduce((sum, id) => sum + scoreOf(id), 0);
      if (!isOpen) batch.ids.forEach((id, i) => (taken[Number(id.slice(2))]! += batch.weights[i]! / batch.size));
      else {
        const weightOf = new Map(batch.ids.map((id, i) => [id, batch.weights[i]!]));
        for (const [id, weight] of weightOf) {
          const p = scoreOf(id) / total;
          // Each of its draws brings p w in expectation: the same for every row, c / B_k, whether it was drawn or not.
          assert.ok(Math.abs(p * weight - batch.presample.weight / ids.length) < 1e-6);
        }
        for (const id of ids) taken[Number(id.slice(2))]! += batch.presample.weight / ids.length;
      }
      batch.dispose();
    }
    return taken;
  }

  for (const isOpen of [false, true])
    it(`give each sample the same share of an epoch in expectation, ${isOpen ? 'drawn by scores' : 'passed on'}`, () =>
      fc.assert(
        fc.asyncProperty(cases, async ({ lengths, options }) => {
          const taken = await shares(lengths, { ...options, truncate: 'end' }, isOpen);
          const wanted = 1 / (isOpen ? 12 : 4);
          for (const [i, share] of taken.entries())
            assert.ok(Math.abs(share - wanted) < 1e-6, `sample ${i} of ${lengths[i]} steps has ${share}`);
        }),
        { numRuns: 50 },
      ));
});
