import assert from 'node:assert/strict';
import fc from 'fast-check';
import { mixture } from '../../src/corpus/mixture.ts';
import { streamSamples } from '../../src/corpus/sample-stream.ts';
import type { Corpus, SampleStream } from '../../src/stream/sample.ts';

function numbered(name: string, length: number): Corpus {
  return {
    name,
    schema: { x: { type: 'float32', shape: [] } },
    length,
    samples: (options) =>
      streamSamples(
        name,
        {
          parts: [length],
          blockSize: 4,
          poolSize: 16,
          partsAtOnce: 1,
          load: async (refs) =>
            refs.map(({ first, count }) => ({ count, sample: (i: number) => ({ id: `${first + i}`, x: first + i }) })),
        },
        options,
      ),
  };
}

async function take(stream: SampleStream, count: number): Promise<string[]> {
  const taken: string[] = [];
  if (count === 0) return taken;
  for await (const { id } of stream) if (taken.push(id) === count) break;
  return taken;
}

const countOf = (ids: readonly string[], name: string) => ids.filter((id) => id.startsWith(`${name}/`)).length;

describe('mixture', () => {
  it('draws parts by share, and each part’s samples once a pass', async () => {
    const mixed = mixture([
      { corpus: numbered('a', 100), share: 3 },
      { corpus: numbered('b', 1000), share: 1 },
    ]);
    const ids = await take(mixed.samples({ seed: 1 }), 4000);
    // binomial(4000, 3/4): standard deviation 27; five of them, false alarm below one in a million
    assert.ok(Math.abs(countOf(ids, 'a') - 3000) < 137, `${countOf(ids, 'a')}`);
    assert.deepEqual(mixed.counts, { a: countOf(ids, 'a'), b: countOf(ids, 'b') });
    const first = ids.filter((id) => id.startsWith('a/')).slice(0, 100);
    assert.equal(new Set(first).size, 100);
  });

  it('tells which part an id comes from, also where a name begins with another', () => {
    const { partOf } = mixture([
      { corpus: numbered('a', 9) },
      { corpus: numbered('a/train', 9) },
      { corpus: numbered('b', 9) },
    ]);
    assert.deepEqual(
      ['a/3', 'a/train/3', 'b/a/3'].map((id) => partOf!(id)),
      ['a', 'a/train', 'b'],
    );
  });

  it('weighs by size, by repeats, and by a power of the size', () => {
    const parts = [{ corpus: numbered('a', 100) }, { corpus: numbered('b', 900) }];
    assert.deepEqual(mixture(parts).shares, [0.1, 0.9]);
    assert.deepEqual(mixture(parts, { alpha: 0 }).shares, [0.5, 0.5]);
    assert.deepEqual(mixture(parts, { alpha: 0.5 }).shares, [0.25, 0.75]);
    assert.deepEqual(mixture([{ ...parts[0]!, repeat: 9 }, parts[1]!]).shares, [0.5, 0.5]);
  });

  it('changes its shares while it is read', async () => {
    const mixed = mixture([{ corpus: numbered('a', 100) }, { corpus: numbered('b', 100) }]);
    const ids: string[] = [];
    for await (const { id } of mixed.samples({ seed: 1 })) {
      if (ids.push(id) === 50) mixed.setShares([1, 0]);
      if (ids.length === 150) break;
    }
    assert.equal(countOf(ids.slice(50), 'b'), 0);
    assert.ok(countOf(ids.slice(0, 50), 'b') > 10);
  });

  it('goes on exactly from any sample, twice in a row', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 300 }), fc.nat({ max: 300 }), fc.nat(), async (cut1, cut2, seed) => {
        const make = () =>
          mixture([
            { corpus: numbered('a', 37), share: 2 },
            { corpus: numbered('b', 101), share: 1 },
          ]);
        const options = { seed: seed % 1000, epochs: 5 };
        const whole = await take(make().samples(options), 1000);
        assert.equal(whole.length, 5 * 138);
        const one = make().samples(options);
        await take(one, cut1 + 7); // read ahead of what was taken
        const two = make().samples({ ...options, from: JSON.parse(JSON.stringify(one.position!(cut1))) });
        assert.deepEqual(await take(two, cut2), whole.slice(cut1, cut1 + cut2));
        const three = make().samples({ ...options, from: two.position!(cut2) });
        assert.deepEqual(await take(three, 1000), whole.slice(cut1 + cut2));
      }),
      { numRuns: 100 },
    );
  });

  it('refuses parts that do not fit together', () => {
    const a = numbered('a', 10);
    const other: Corpus = { ...numbered('b', 10), schema: { x: { type: 'int32', shape: [] } } };
    const endless: Corpus = { ...numbered('b', 10), length: undefined };
    for (const parts of [
      [],
      [{ corpus: a }, { corpus: other }],
      [{ corpus: a }, { corpus: a }],
      [{ corpus: a }, { corpus: endless }],
      [{ corpus: a, share: -1 }],
      [
        { corpus: a, share: 1 },
        { corpus: numbered('b', 10), repeat: 2 },
      ],
    ])
      assert.throws(() => mixture(parts), { code: 'ERR_CORPUS' });
    assert.throws(() => mixture([{ corpus: a }], { alpha: 2 }), { code: 'ERR_OPTIONS' });
    assert.throws(() => mixture([{ corpus: a }]).setShares([0]), { code: 'ERR_CORPUS' });
  });
});
