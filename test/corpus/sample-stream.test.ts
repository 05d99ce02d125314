import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { BlockRef, BlockSource } from '../../src/corpus/blocks.ts';
import { streamSamples } from '../../src/corpus/sample-stream.ts';
import { ids } from './folders.ts';

/** A source that counts what is read from it. */
function counted(parts: number[], rest: Partial<BlockSource> = {}) {
  const loads: (readonly BlockRef[])[] = [];
  const source: BlockSource = {
    parts,
    blockSize: 4,
    poolSize: 16,
    partsAtOnce: Infinity,
    async load(refs) {
      loads.push(refs);
      return refs.map(({ part, first, count }) => ({
        count,
        sample: (i: number) => ({ id: `${part}:${first + i}`, x: 0 }),
      }));
    },
    ...rest,
  };
  return { source, loads };
}

const settle = async () => {
  for (let i = 0; i < 20; i++) await setImmediate();
};

const order = (seed: number) => ids(streamSamples('here', counted([100]).source, { seed, epochs: 2 }));

describe('streamSamples', () => {
  it('gives each sample exactly once an epoch, in another order each time', async () => {
    const { source } = counted([50, 31, 19]);
    const all = await ids(streamSamples('here', source, { seed: 1, epochs: 3 }));
    const epochs = [all.slice(0, 100), all.slice(100, 200), all.slice(200)];
    for (const epoch of epochs) assert.equal(new Set(epoch).size, 100);
    assert.notDeepEqual(epochs[0], epochs[1]);
    assert.notDeepEqual(epochs[1], epochs[2]);
  });

  it('gives the same order for the same seed, and another for another', async () => {
    assert.deepEqual(await order(7), await order(7));
    assert.notDeepEqual(await order(7), await order(8));
  });

  it('shuffles each pool in an order of its own', async () => {
    const { source } = counted([32], { blockSize: 16, poolSize: 16 });
    const places = (await ids(streamSamples('here', source, { seed: 1, epochs: 1 }))).map(
      (id) => Number(id.split(':')[1]) % 16,
    );
    assert.notDeepEqual(places.slice(0, 16), places.slice(16));
  });

  it('gives the order of the files without shuffle, every epoch', async () => {
    const all = await ids(streamSamples('here', counted([3, 2]).source, { seed: 1, epochs: 2, shuffle: false }));
    assert.deepEqual(all, ['0:0', '0:1', '0:2', '1:0', '1:1', '0:0', '0:1', '0:2', '1:0', '1:1']);
  });

  it('goes on for ever by default', async () => {
    let taken = 0;
    for await (const _ of streamSamples('here', counted([5]).source, { seed: 1 })) if (++taken === 1000) break;
    assert.equal(taken, 1000);
  });

  it('mixes samples from all over the corpus', async () => {
    const { source } = counted([4096], { blockSize: 8, poolSize: 256 });
    const first = (await ids(streamSamples('here', source, { seed: 1, epochs: 1 }))).slice(0, 256);
    const places = first.map((id) => Number(id.split(':')[1]));
    const quarters = new Set(places.map((place) => Math.floor(place / 1024)));
    assert.equal(quarters.size, 4, 'the first pool holds samples from every quarter');
    const neighbours = places.filter((place, i) => i > 0 && Math.abs(place - places[i - 1]!) === 1).length;
    assert.ok(neighbours < 10, `${neighbours} pairs of neighbours; 2 are expected`);
  });

  it('reads one pool ahead of a stalled consumer, and no further', async () => {
    const { source, loads } = counted([1000]);
    const samples = streamSamples('here', source, { seed: 1 });
    assert.equal(loads.length, 0, 'nothing is read before it is asked for');
    await samples.next();
    await settle();
    assert.equal(loads.length, 2);
    for (let i = 0; i < 15; i++) await samples.next();
    await settle();
    assert.equal(loads.length, 2);
    await samples.next();
    await settle();
    assert.equal(loads.length, 3);
    await samples.return();
    await settle();
    assert.equal(loads.length, 3);
  });

  it('throws the reason of an abort, between any two samples', async () => {
    const { source, loads } = counted([1000]);
    const controller = new AbortController();
    const reason = new Error('enough');
    let taken = 0;
    await assert.rejects(async () => {
      for await (const _ of streamSamples('here', source, { seed: 1, signal: controller.signal }))
        if (++taken === 3) controller.abort(reason);
    }, reason);
    assert.equal(taken, 3);
    await settle();
    assert.ok(loads.length <= 2);
  });

  it('throws an error of the source after the samples before it', async () => {
    const failure = new Error('disk');
    const { source } = counted([1000]);
    const load = source.load.bind(source);
    let calls = 0;
    const failing = {
      ...source,
      load: async (refs: readonly BlockRef[]) => (++calls === 3 ? Promise.reject(failure) : load(refs)),
    };
    let taken = 0;
    await assert.rejects(async () => {
      for await (const _ of streamSamples('here', failing, { seed: 1 })) taken += 1;
    }, failure);
    assert.equal(taken, 32);
  });

  it('refuses options that are unknown or out of range, at once', () => {
    const { source } = counted([5]);
    for (const options of [
      { seed: -1 },
      { seed: 1.5 },
      { seed: 1, epochs: 0 },
      { seed: 1, epochs: 1.5 },
      { seed: 1, sufle: true },
      {},
    ])
      // @ts-expect-error some of these are misspelt or missing
      assert.throws(() => streamSamples('here', source, options), {
        code: 'ERR_OPTIONS',
        message: /^here\.samples\(\): /,
      });
  });
});
