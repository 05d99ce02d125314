import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { operations, randAugmented } from '../../../src/corpus/augment/rand-augment.ts';
import type { Picture } from '../../../src/corpus/augment/picture.ts';
import { createRng } from '../../../src/stream/random.ts';

interface Fixture {
  readonly shape: readonly [number, number, number];
  readonly pixels: string;
  readonly cases: readonly {
    readonly name: keyof typeof operations;
    readonly level: number;
    readonly sign: number;
    readonly pixels: string;
  }[];
}
// Written by make-torchvision.py, beside it.
const fixture = JSON.parse(readFileSync(new URL('fixtures/torchvision.json', import.meta.url), 'utf8')) as Fixture;
const decoded = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const [height, width, channels] = fixture.shape;
const picture: Picture = { data: decoded(fixture.pixels), height, width, channels };

/** Pixels that a nearest-neighbour map may take from the next one: rounding in 32 bits decides at the halves. */
const WARPED = new Set(['shearX', 'shearY', 'rotate']);

describe('operations', () => {
  for (const { name, level, sign, pixels } of fixture.cases)
    it(`does ${name} at ${level * sign} as torchvision does`, () => {
      const got = operations[name](picture, level, sign, 7).data;
      const expected = decoded(pixels);
      const off = got.filter((value, i) => Math.abs(value - expected[i]!) > 1).length;
      const most = WARPED.has(name) ? 0.05 * got.length : 0;
      assert.ok(off <= most, `${off} of ${got.length} values differ`);
      const exact = got.filter((value, i) => value === expected[i]).length;
      // where a picture is plain, torchvision's 32-bit blend of two equal values is often one less than they are
      assert.ok(
        exact >= (name === 'sharpness' ? 0.7 : 0.95) * got.length,
        `${exact} of ${got.length} values are the same`,
      );
    });

  it('leaves its argument as it is, and keeps the form', () => {
    for (const [name, operation] of Object.entries(operations))
      for (const given of [picture, { data: picture.data.slice(0, 30), height: 6, width: 5, channels: 1 }]) {
        const before = Uint8Array.from(given.data);
        const { data, ...form } = operation(given, 0.5, -1, 0);
        assert.deepEqual(given.data, before, name);
        assert.deepEqual(
          [data.length, form],
          [given.data.length, { height: given.height, width: given.width, channels: given.channels }],
          name,
        );
      }
  });
});

describe('randAugmented', () => {
  it('is a function of the seed, and changes more with more magnitude', () => {
    const distance = (magnitude: number) => {
      let sum = 0;
      for (let seed = 0; seed < 100; seed++) {
        const { data } = randAugmented(picture, { count: 2, magnitude, fill: 0 }, createRng(seed));
        assert.deepEqual(randAugmented(picture, { count: 2, magnitude, fill: 0 }, createRng(seed)).data, data);
        data.forEach((value, i) => (sum += Math.abs(value - picture.data[i]!)));
      }
      return sum;
    };
    const [weak, strong] = [distance(3), distance(25)];
    assert.ok(weak > 0 && strong > 1.5 * weak, `${weak}, then ${strong}`);
  });

  it('draws every operation', () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const drawn = createRng(seed).integer(14);
      const { data } = randAugmented(picture, { count: 1, magnitude: 20, fill: 9 }, createRng(seed));
      const [name, operation] = Object.entries(operations)[drawn]!;
      const either = [1, -1].map((sign) => Buffer.from(operation(picture, 2 / 3, sign, 9).data));
      assert.ok(
        either.some((expected) => expected.equals(data)),
        name,
      );
      seen.add(name);
    }
    assert.equal(seen.size, 14);
  });
});
