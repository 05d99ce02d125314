import assert from 'node:assert/strict';
import fc from 'fast-check';
import { splitSegments, type Segment } from '../../src/corpus/segments.ts';

const whole = (...lengths: number[]): Segment[] => lengths.map((to, shard) => ({ shard, from: 0, to }));
const places = (segments: readonly Segment[]) =>
  segments.flatMap(({ shard, from, to }) => Array.from({ length: to - from }, (_, i) => `${shard}:${from + i}`));

describe('splitSegments', () => {
  it('keeps the end for validation', () => {
    assert.deepEqual(splitSegments('here', whole(60, 40), { validation: 0.5 }), {
      train: [{ shard: 0, from: 0, to: 50 }],
      validation: [
        { shard: 0, from: 50, to: 60 },
        { shard: 1, from: 0, to: 40 },
      ],
    });
  });

  it('keeps the end of each of several stretches', () => {
    const { train, validation } = splitSegments('here', whole(100), { validation: 0.1, blocks: 2 });
    assert.deepEqual(train, [
      { shard: 0, from: 0, to: 45 },
      { shard: 0, from: 50, to: 95 },
    ]);
    assert.deepEqual(validation, [
      { shard: 0, from: 45, to: 50 },
      { shard: 0, from: 95, to: 100 },
    ]);
  });

  it('puts every place into exactly one part', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(50), { minLength: 1, maxLength: 6 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        fc.integer({ min: 1, max: 20 }),
        (lengths, validation, blocks) => {
          const parts = splitSegments('here', whole(...lengths), { validation, blocks });
          const both = [...places(parts.train), ...places(parts.validation)];
          assert.deepEqual(both.toSorted(), places(whole(...lengths)).toSorted());
        },
      ),
      { seed: 1 },
    );
  });

  it('cuts more segments than a function takes arguments', () => {
    const { train, validation } = splitSegments(
      'here',
      Array.from({ length: 200_000 }, (_, shard) => ({ shard, from: 0, to: 1 })),
      {},
    );
    assert.deepEqual([train.length, validation.length], [180_000, 20_000]);
  });

  it('refuses shares outside (0, 1) and options that it does not know', () => {
    for (const validation of [0, 1, -1, Number.NaN])
      assert.throws(() => splitSegments('here', whole(9), { validation }), {
        code: 'ERR_OPTIONS',
        message: /`validation`/,
      });
    assert.throws(() => splitSegments('here', whole(9), { blocks: 0 }), { code: 'ERR_OPTIONS', message: /`blocks`/ });
    // @ts-expect-error a misspelt option
    assert.throws(() => splitSegments('here', whole(9), { valdation: 0.1 }), {
      code: 'ERR_OPTIONS',
      message: /valdation/,
    });
  });
});
