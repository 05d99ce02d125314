import assert from 'node:assert/strict';
import { BadSamples } from '../../src/corpus/bad-samples.ts';
import type { BlockSource } from '../../src/corpus/blocks.ts';
import { mapped } from '../../src/corpus/mapped.ts';
import { streamSamples } from '../../src/corpus/sample-stream.ts';
import { softTargets } from '../../src/corpus/soft-targets.ts';
import { CorpusError } from '../../src/errors.ts';
import type { Corpus, Sample } from '../../src/stream/sample.ts';

const letters: Corpus = {
  name: 'letters',
  schema: { x: { type: 'float32', shape: [] }, y: { type: 'int32', shape: [] } },
  classes: { y: 3 },
  length: 3,
  samples({ epochs = Infinity, from }) {
    async function* pass() {
      for (let i = Number(from?.['at'] ?? 0); i < 3 * epochs; i++)
        yield { id: 'abc'[i % 3]!, x: i % 3, y: i % 3 } satisfies Sample;
    }
    return Object.assign(pass(), { position: (taken: number) => ({ at: Number(from?.['at'] ?? 0) + taken }) });
  },
};

async function take(source: AsyncIterable<Sample>, count = Infinity): Promise<Sample[]> {
  const taken: Sample[] = [];
  for await (const sample of source) {
    taken.push(sample);
    if (taken.length === count) break;
  }
  return taken;
}
const describeOf = (samples: readonly Sample[]) => samples.map(({ id, x }) => `${id}=${x as number}`).join(' ');

describe('mapped', () => {
  it('makes each sample of another one, and leaves the columns that are not made as they are', async () => {
    const squares = mapped(letters, ({ x }) => ({ x: (x as number) ** 2, z: 7 }), {
      name: 'squares',
      schema: { ...letters.schema, z: { type: 'float32', shape: [] } },
    });
    assert.deepEqual([squares.name, squares.length, squares.classes], ['squares', 3, { y: 3 }]);
    assert.deepEqual(await take(squares.samples({ seed: 1, epochs: 1 })), [
      { id: 'a', x: 0, y: 0, z: 7 },
      { id: 'b', x: 1, y: 1, z: 7 },
      { id: 'c', x: 4, y: 2, z: 7 },
    ]);
  });

  it('gives each copy an id of its own, and passes over all of them in an epoch', async () => {
    const twice = mapped(letters, ({ x }, { copy }) => ({ x: 10 * copy + (x as number) }), { copies: 2 });
    assert.equal(twice.length, 6);
    const epoch = 'a#0=0 b#0=1 c#0=2 a#1=10 b#1=11 c#1=12';
    assert.equal(describeOf(await take(twice.samples({ seed: 1, epochs: 2 }))), `${epoch} ${epoch}`);
  });

  it('gives a copy the same random numbers in every epoch, and others to another copy, id or seed', async () => {
    const draw = async (seed: number) => {
      const drawn = mapped(letters, (_, { rng }) => ({ x: rng.uniform() }), { copies: 2, seed });
      return (await take(drawn.samples({ seed: 1, epochs: 2 }))).map(({ x }) => x as number);
    };
    const values = await draw(5);
    assert.deepEqual(values.slice(0, 6), values.slice(6));
    assert.equal(new Set([...values, ...(await draw(6))]).size, 12);
  });

  it('goes on from wherever its stream stood', async () => {
    const thrice = mapped(letters, (_, { copy, rng }) => ({ x: copy + rng.uniform() }), { copies: 3 });
    const whole = await take(thrice.samples({ seed: 1 }), 20);
    for (const cut of [0, 2, 3, 7, 11]) {
      const stream = thrice.samples({ seed: 1 });
      const first = await take(stream, cut + 1);
      const rest = thrice.samples({ seed: 1, from: stream.position!(cut) });
      assert.deepEqual([...first.slice(0, cut), ...(await take(rest, 20 - cut))], whole);
      const again = thrice.samples({ seed: 1, from: rest.position!(1) });
      assert.deepEqual(await take(again, 5), whole.slice(cut + 1, cut + 6));
    }
  });

  it('makes each copy of every sample once an epoch where bad ones are left out, and goes on so', async () => {
    const source: BlockSource = {
      parts: [7],
      blockSize: 2,
      poolSize: 4,
      partsAtOnce: 1,
      badSamples: new BadSamples('here', 10_000),
      load: async (refs) =>
        refs.map(({ first, count }) => ({
          count,
          sample: (i: number) => {
            if ((first + i) % 3 === 1) throw new CorpusError('bad'); // 1 and 4
            return { id: `${first + i}`, x: first + i, y: 0 };
          },
        })),
    };
    const lenient: Corpus = { ...letters, length: 7, samples: (options) => streamSamples('here', source, options) };
    for (const base of [lenient, mapped(softTargets(lenient, { classes: 3 }), () => ({}))]) {
      const thrice = mapped(
        mapped(base, () => ({})),
        () => ({}),
        { copies: 3 },
      );
      const whole = await take(thrice.samples({ seed: 1, epochs: 2 }));
      const names = whole.map(({ id }) => id);
      const copies = ['0', '2', '3', '5', '6'].flatMap((id) => [0, 1, 2].map((copy) => `${id}#${copy}`));
      assert.deepEqual(names.slice(0, 15).toSorted(), copies);
      assert.deepEqual(names.slice(15).toSorted(), copies);
      for (let cut = 0; cut < 30; cut++) {
        const stream = thrice.samples({ seed: 1 });
        await take(stream, cut + 1);
        assert.deepEqual(
          await take(thrice.samples({ seed: 1, epochs: 2, from: stream.position!(cut) })),
          whole.slice(cut),
        );
      }
    }
  });

  it('refuses copies of a corpus of unknown length, an unknown option and the position of another corpus', () => {
    const endless: Corpus = { ...letters, length: undefined };
    assert.throws(() => mapped(endless, () => ({}), { copies: 2 }), {
      code: 'ERR_CORPUS',
      message: /^mapped\(`letters`\): expected a corpus that knows its length/,
    });
    assert.doesNotThrow(() => mapped(endless, () => ({})));
    const misspelt = { copies: 1, copys: 2 };
    assert.throws(() => mapped(letters, () => ({}), misspelt), { code: 'ERR_OPTIONS', message: /copys/ });
    assert.throws(() => mapped(letters, () => ({})).samples({ seed: 1, from: { at: 3 } }), {
      code: 'ERR_CORPUS',
      message: /position of a mapped corpus/,
    });
  });
});
