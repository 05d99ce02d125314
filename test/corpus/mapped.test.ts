import assert from 'node:assert/strict';
import { mapped } from '../../src/corpus/mapped.ts';
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
