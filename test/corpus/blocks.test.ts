import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cumulative, locate, planEpoch, type BlockRef, type BlockSource } from '../../src/corpus/blocks.ts';

const source = (parts: number[], rest: Partial<BlockSource> = {}): BlockSource => ({
  parts,
  blockSize: 4,
  poolSize: 16,
  partsAtOnce: Infinity,
  load: async () => [],
  ...rest,
});
const samplesOf = (refs: readonly BlockRef[]) =>
  refs.flatMap(({ part, first, count }) => Array.from({ length: count }, (_, i) => `${part}:${first + i}`));

describe('planEpoch', () => {
  it('lists blocks as they lie when there is no seed', () => {
    assert.deepEqual(
      [...planEpoch(source([6, 3]))],
      [
        [
          { part: 0, first: 0, count: 4 },
          { part: 0, first: 4, count: 2 },
          { part: 1, first: 0, count: 3 },
        ],
      ],
    );
  });

  it('covers every sample exactly once, in pools of bounded size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(40), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom(1, 2, 3, Infinity),
        fc.option(fc.nat(1000), { nil: undefined }),
        (parts, blockSize, poolSize, partsAtOnce, seed) => {
          const pools = [...planEpoch(source(parts, { blockSize, poolSize, partsAtOnce }), seed)].map(samplesOf);
          for (const pool of pools) assert.ok(pool.length > 0 && pool.length < poolSize + blockSize);
          const expected = parts.flatMap((count, part) => Array.from({ length: count }, (_, i) => `${part}:${i}`));
          assert.deepEqual(pools.flat().toSorted(), expected.toSorted());
        },
      ),
      { seed: 1 },
    );
  });

  it('mixes blocks of at most `partsAtOnce` parts', () => {
    const parts = [...planEpoch(source([40, 40, 40, 40], { partsAtOnce: 2, poolSize: 4 }), 3)].map(
      ([ref]) => ref!.part,
    );
    const groups = [new Set(parts.slice(0, 20)), new Set(parts.slice(20))];
    assert.deepEqual(
      groups.map((group) => group.size),
      [2, 2],
    );
    assert.ok(parts.slice(0, 20).some((part, i) => i > 0 && part !== parts[i - 1] && parts.indexOf(part) < i - 1));
  });
});

describe('locate', () => {
  it('finds the run that holds a number, past runs without length', () => {
    const starts = cumulative([3, 0, 2]);
    assert.deepEqual(starts, [0, 3, 3, 5]);
    assert.deepEqual(
      [0, 2, 3, 4].map((number) => locate(starts, number)),
      [0, 0, 2, 2],
    );
  });
});
