import assert from 'node:assert/strict';
import fc from 'fast-check';
import { mixture } from '../../src/corpus/mixture.ts';
import { presample } from '../../src/presample/presample.ts';
import { shutGate } from '../../src/resample/tau-gate.ts';
import type { Corpus, Position, Sample } from '../../src/stream/sample.ts';
import { Admission } from '../../src/train/admission.ts';
import { openStream } from '../../src/train/open-stream.ts';

const schema = { x: { type: 'int32', shape: [null] } } as const;

/** Samples of these lengths, over and over; one that can tell positions starts anywhere, any other is read again. */
function listed(name: string, lengths: readonly number[], canTell: boolean): Corpus {
  return {
    name,
    schema,
    length: lengths.length,
    samples({ from, epochs = Infinity }) {
      const begin = (from?.['place'] as number | undefined) ?? 0;
      const samples = (async function* () {
        for (let i = begin; i < epochs * lengths.length; i++) {
          const x = new Int32Array(lengths[i % lengths.length]!).fill(i);
          yield { id: `${i}`, x } satisfies Sample;
        }
      })();
      return canTell ? Object.assign(samples, { position: (taken: number) => ({ place: begin + taken }) }) : samples;
    },
  };
}

interface Run {
  readonly corpus: Corpus;
  readonly epochs?: number;
  readonly boundaries: readonly number[];
  /** Whether the gate is open at each fill. */
  readonly script: readonly boolean[];
  readonly admits: (id: string) => boolean;
}

/** The ids of each buffer, and where the stream stood after it, as a checkpoint keeps it. */
async function* buffers(run: Run, from?: { position: Position; fills: number }) {
  let fill = from?.fills ?? 0;
  const gate = {
    ...shutGate(),
    get isOpen() {
      return run.script[fill++ % run.script.length]!;
    },
  };
  const options = { seed: 1, ...(run.epochs && { epochs: run.epochs }) };
  const stream = openStream(run.corpus, options, { from: from?.position, mayWait: true });
  const admission = new Admission(run.admits);
  const { rejoined } = stream;
  const stage = presample({
    schema,
    gate,
    presampleSize: 5,
    batchSize: 2,
    rejoined,
    lengths: { boundaries: [...run.boundaries], truncate: 'drop' },
  });
  for await (const buffer of stage(admission.admitted(stream.samples, rejoined))) {
    const position = JSON.parse(JSON.stringify(stream.position(admission.passed(buffer.passed)))) as Position;
    yield { ids: buffer.ids, position, fills: fill };
    buffer.release();
  }
}

async function collected(run: Run, from?: { position: Position; fills: number }) {
  const all: { ids: readonly string[]; position: Position; fills: number }[] = [];
  for await (const buffer of buffers(run, from)) all.push(buffer);
  return all;
}

describe('openStream', () => {
  it('goes on from any buffer with exactly the next ones, what waits in buckets included, and again', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          lengths: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 40 }),
          boundaries: fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
          script: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
          canTell: fc.boolean(),
          epochs: fc.integer({ min: 1, max: 3 }),
          step: fc.integer({ min: 1, max: 4 }),
        }),
        async ({ lengths, boundaries, script, canTell, epochs, step }) => {
          const run = {
            corpus: listed('listed', lengths, canTell),
            epochs,
            boundaries: boundaries.toSorted((a, b) => a - b),
            script,
            admits: (id: string) => Number(id) % 7 !== 3,
          };
          const whole = await collected(run);
          const idsOf = (all: { ids: readonly string[] }[]) => all.map(({ ids }) => ids);
          for (let cut = 0; cut < whole.length; cut += step) {
            const rest = await collected(run, whole[cut]);
            assert.deepEqual(idsOf(rest), idsOf(whole.slice(cut + 1)));
            const again = rest[Math.floor(rest.length / 2)];
            if (!again) continue;
            const last = await collected(run, again);
            assert.deepEqual(idsOf(last), idsOf(rest.slice(Math.floor(rest.length / 2) + 1)));
          }
        },
      ),
      { numRuns: 60 },
    ));

  it('has a position of some kilobytes, also when a sample has waited for longer than a mixture remembers', async () => {
    const often = listed('often', [2, 2, 3], true);
    const rare = listed('rare', [9, ...Array.from({ length: 30_000 }, () => 1)], true);
    const run: Run = {
      corpus: mixture([
        { corpus: often, share: 1 },
        { corpus: rare, share: 1 },
      ]),
      boundaries: [4, 10],
      script: [true],
      admits: () => true,
    };
    const fills = 8000;
    const wanted: (readonly string[])[] = [];
    let from: { position: Position; fills: number } | undefined;
    for await (const buffer of buffers(run)) {
      if (from) wanted.push(buffer.ids);
      if (buffer.fills === fills) from = buffer;
      if (wanted.length === 5) break;
    }
    assert.ok(JSON.stringify(from!.position).length < 4000, JSON.stringify(from!.position).slice(0, 200));
    const got: (readonly string[])[] = [];
    for await (const { ids } of buffers(run, from)) if (got.push(ids) === 5) break;
    assert.deepEqual(got, wanted);
  });
});
