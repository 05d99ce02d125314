import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import fc from 'fast-check';
import { BadSamples } from '../../src/corpus/bad-samples.ts';
import type { BlockSource } from '../../src/corpus/blocks.ts';
import { streamSamples } from '../../src/corpus/sample-stream.ts';
import { ShardError } from '../../src/errors.ts';
import { ids } from './folders.ts';

/** A source of named samples; those whose number is in `bad` cannot be made. */
function source(parts: number[], rest: Partial<BlockSource> & { bad?: ReadonlySet<number> } = {}) {
  const { bad = new Set(), ...own } = rest;
  const loaded = { blocks: 0 };
  const made: BlockSource = {
    parts,
    blockSize: 4,
    poolSize: 16,
    partsAtOnce: 2,
    async load(refs) {
      loaded.blocks += refs.length;
      return refs.map(({ part, first, count }) => ({
        count,
        sample: (i: number) => {
          if (bad.has(100 * part + first + i))
            throw new ShardError(`bad ${part}:${first + i}`, { id: `${part}:${first + i}` });
          return { id: `${part}:${first + i}` };
        },
      }));
    },
    ...own,
  };
  return { source: made, loaded };
}

const settings = fc.record({
  parts: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
  blockSize: fc.integer({ min: 1, max: 9 }),
  poolSize: fc.integer({ min: 1, max: 40 }),
  partsAtOnce: fc.constantFrom(1, 2, Infinity),
  shuffle: fc.boolean(),
  seed: fc.nat({ max: 1000 }),
  decodeAhead: fc.constantFrom(0, 3),
});

describe('position and from', () => {
  it('go on with exactly the next sample, at any cut, twice in a row, whatever was read ahead', async () => {
    await fc.assert(
      fc.asyncProperty(settings, fc.nat(), fc.nat(), async ({ shuffle, seed, ...rest }, cut1, cut2) => {
        const { source: made } = source(rest.parts, rest);
        const options = { seed, shuffle, epochs: 3 };
        const whole = await ids(streamSamples('s', made, options));
        const first = cut1 % (whole.length + 1);
        const second = cut2 % (whole.length - first + 1);
        const one = streamSamples('s', made, options);
        const readAhead = await ids(one); // all of it: a position tells of what was taken, not of what was read
        assert.deepEqual(readAhead, whole);
        const from = JSON.parse(JSON.stringify(one.position(first)));
        const two = streamSamples('s', made, { ...options, from });
        const middle: string[] = [];
        for await (const { id } of two) {
          if (middle.length === second) break;
          middle.push(id);
        }
        assert.deepEqual(middle, whole.slice(first, first + second));
        const three = streamSamples('s', made, { ...options, from: two.position(second) });
        assert.deepEqual(await ids(three), whole.slice(first + second));
      }),
      { numRuns: 300 },
    );
  });

  it('pass over bad samples just as a stream that was never cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        settings,
        fc.uniqueArray(fc.integer({ min: 0, max: 499 })),
        fc.nat(),
        async ({ shuffle, seed, ...rest }, bad, cut) => {
          const make = () =>
            source(rest.parts, { ...rest, bad: new Set(bad), badSamples: new BadSamples('s', 1e6) }).source;
          const options = { seed, shuffle, epochs: 2 };
          const stream = streamSamples('s', make(), options);
          const whole = await ids(stream);
          const taken = cut % (whole.length + 1);
          const rest2 = await ids(streamSamples('s', make(), { ...options, from: stream.position(taken) }));
          assert.deepEqual(rest2, whole.slice(taken));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('take a few dozen bytes, and read nothing of what lies behind', async () => {
    const { source: made, loaded } = source([100_000], { blockSize: 256, poolSize: 1024 });
    const position = streamSamples('s', made, { seed: 1 }).position(250_000);
    assert.ok(JSON.stringify(position).length < 100);
    const stream = streamSamples('s', made, { seed: 1, from: position });
    await stream.next();
    await stream.return();
    assert.ok(loaded.blocks <= 2 * 5, `${loaded.blocks} blocks`);
  });

  it('are refused for another order, and when they are none', () => {
    const position = streamSamples('s', source([50]).source, { seed: 1 }).position(3);
    const others = [source([51]), source([50], { poolSize: 17 }), source([50], { blockSize: 5 })];
    for (const { source: other } of others)
      assert.throws(() => streamSamples('s', other, { seed: 1, from: position }), { code: 'ERR_CORPUS' });
    const { source: same } = source([50]);
    assert.throws(() => streamSamples('s', same, { seed: 2, from: position }), { code: 'ERR_CORPUS' });
    assert.throws(() => streamSamples('s', same, { seed: 1, shuffle: false, from: position }), { code: 'ERR_CORPUS' });
    for (const from of [
      {},
      { ...position, place: -1 },
      { ...position, place: 1.5 },
      { ...position, more: 1 },
      7 as never,
    ])
      assert.throws(() => streamSamples('s', same, { seed: 1, from }), { code: 'ERR_OPTIONS' });
  });
});

describe('BadSamples', () => {
  const bad = new Set([3, 7, 11]);

  it('counts and names what was left out', async () => {
    const badSamples = new BadSamples('s', 10);
    const got = await ids(streamSamples('s', source([20], { bad, badSamples }).source, { seed: 1, epochs: 1 }));
    assert.equal(got.length, 17);
    assert.equal(badSamples.count, 3);
    assert.deepEqual(badSamples.samples.map(({ id }) => id).toSorted(), ['0:11', '0:3', '0:7']);
  });

  it('counts a sample that comes in every epoch once, and tells the channel of it once', async () => {
    const told: string[] = [];
    const hear = (sample: unknown) => void told.push((sample as { id: string }).id);
    subscribe('taustream:bad-sample', hear);
    try {
      const badSamples = new BadSamples('s', 3);
      const got = await ids(streamSamples('s', source([20], { bad, badSamples }).source, { seed: 1, epochs: 5 }));
      assert.equal(got.length, 5 * 17);
      assert.equal(badSamples.count, 3);
      assert.deepEqual(told.toSorted(), ['0:11', '0:3', '0:7']);
    } finally {
      unsubscribe('taustream:bad-sample', hear);
    }
  });

  it('ends the stream with an error past the limit', async () => {
    const badSamples = new BadSamples('s', 2);
    await assert.rejects(ids(streamSamples('s', source([20], { bad, badSamples }).source, { seed: 1, epochs: 1 })), {
      code: 'ERR_CORPUS',
      message: /at most 2 bad samples/,
    });
  });

  it('lets errors through that are not a sample’s', async () => {
    const failing = source([20], { badSamples: new BadSamples('s', 10) }).source;
    const source2: BlockSource = {
      ...failing,
      load: async (refs) =>
        refs.map(({ count }) => ({
          count,
          sample: () => {
            throw new TypeError('a bug');
          },
        })),
    };
    await assert.rejects(ids(streamSamples('s', source2, { seed: 1, epochs: 1 })), TypeError);
  });

  it('is not asked for without the policy: the error ends the stream', async () => {
    await assert.rejects(ids(streamSamples('s', source([20], { bad }).source, { seed: 1, epochs: 1 })), ShardError);
  });
});
