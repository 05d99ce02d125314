import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  AugmentOptions,
  augmentPixels,
  augmentRng,
  drawRectangle,
  expectPictures,
} from '../../../src/corpus/augment/augment.ts';
import { flipped, moved, stretched } from '../../../src/corpus/augment/picture.ts';
import { parseOptions } from '../../../src/options.ts';
import { createRng } from '../../../src/stream/random.ts';

const grey = (rows: readonly (readonly number[])[]) => ({
  data: Uint8Array.from(rows.flat()),
  height: rows.length,
  width: rows[0]!.length,
  channels: 1,
});
const rowsOf = ({ data, width }: { data: Uint8Array; width: number }) =>
  Array.from({ length: data.length / width }, (_, y) => [...data.subarray(y * width, (y + 1) * width)]);

describe('flipped', () => {
  it('mirrors left and right, each pixel whole', () => {
    assert.deepEqual(
      rowsOf(
        flipped(
          grey([
            [1, 2, 3],
            [4, 5, 6],
          ]),
        ),
      ),
      [
        [3, 2, 1],
        [6, 5, 4],
      ],
    );
    const colours = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), height: 1, width: 2, channels: 3 };
    assert.deepEqual([...flipped(colours).data], [4, 5, 6, 1, 2, 3]);
  });
});

describe('moved', () => {
  it('fills what comes in, whichever way and however far', () => {
    const picture = grey([
      [1, 2],
      [3, 4],
    ]);
    assert.deepEqual(rowsOf(moved(picture, 1, 0, 9)), [
      [9, 9],
      [1, 2],
    ]);
    assert.deepEqual(rowsOf(moved(picture, -1, 1, 9)), [
      [9, 3],
      [9, 9],
    ]);
    assert.deepEqual(rowsOf(moved(picture, 0, -5, 9)), [
      [9, 9],
      [9, 9],
    ]);
    assert.deepEqual(rowsOf(moved(picture, 0, 0, 9)), rowsOf(picture));
  });
});

describe('stretched', () => {
  it('gives the picture itself for the whole of it, and a ramp for a ramp', () => {
    const picture = grey([
      [0, 50, 100, 150],
      [0, 50, 100, 150],
    ]);
    assert.deepEqual(stretched(picture, { top: 0, left: 0, height: 2, width: 4 }).data, picture.data);
    // centres of the four places: 1 + (i + 0.5) / 2 - 0.5 = 0.75, 1.25, … within [1, 2]
    assert.deepEqual(rowsOf(stretched(picture, { top: 1, left: 1, height: 1, width: 2 }))[0], [50, 63, 88, 100]);
  });
});

describe('drawRectangle', () => {
  it('stays in the picture, and in the areas and forms asked for where they fit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 1, max: 600 }),
        fc.nat(),
        (height, width, seed) => {
          const options = AugmentOptions.parse({ resizedCrop: {} }).resizedCrop!;
          const { top, left, ...size } = drawRectangle({ height, width }, options, createRng(seed));
          assert.ok(top >= 0 && left >= 0 && size.height >= 1 && size.width >= 1);
          assert.ok(top + size.height <= height && left + size.width <= width);
          assert.ok([top, left, size.height, size.width].every(Number.isInteger));
        },
      ),
      { seed: 1, numRuns: 500 },
    );
    const options = AugmentOptions.parse({ resizedCrop: { scale: [0.25, 0.5] } }).resizedCrop!;
    const areas = Array.from({ length: 400 }, (_, seed) => {
      const { height, width } = drawRectangle({ height: 400, width: 400 }, options, createRng(seed));
      assert.ok(width / height > 0.74 && width / height < 1.35, `${width} by ${height}`);
      return (height * width) / 160_000;
    });
    assert.ok(Math.min(...areas) > 0.245 && Math.max(...areas) < 0.505);
    // uniform on [0.25, 0.5]: the mean's standard error is 0.0036, so 5 of them are 0.018
    assert.ok(Math.abs(areas.reduce((a, b) => a + b, 0) / 400 - 0.375) < 0.018);
  });

  it('takes the middle where no rectangle of the form fits', () => {
    const options = AugmentOptions.parse({ resizedCrop: { scale: [1, 1], ratio: [1, 1] } }).resizedCrop!;
    assert.deepEqual(drawRectangle({ height: 10, width: 30 }, options, createRng(1)), {
      top: 0,
      left: 10,
      height: 10,
      width: 10,
    });
  });
});

describe('augmentPixels', () => {
  const pixels = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => (i * 37) % 251);
  const shape = [8, 8, 3];
  const everything = AugmentOptions.parse({
    crop: { padding: 2 },
    flip: 0.5,
    randAugment: {},
    jitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4 },
  });
  const draw = (id: string, epoch = 0, seed = 7) =>
    augmentPixels(pixels, shape, everything, augmentRng({ seed, epoch }, id));

  it('depends on the seed, the epoch and the id alone', () => {
    assert.deepEqual(draw('a'), draw('a'));
    for (const other of [draw('b'), draw('a', 1), draw('a', 0, 8)]) assert.notDeepEqual(other, draw('a'));
    assert.deepEqual([pixels[0], pixels[1]], [0, 37], 'what was given is left as it is');
  });

  it('gives the pixels themselves where nothing is asked for', () => {
    const nothing = AugmentOptions.parse({});
    assert.equal(augmentPixels(pixels, shape, nothing, createRng(1)), pixels);
  });

  it('crops at each of the places that the padding allows, all about equally often, and flips half', () => {
    const options = AugmentOptions.parse({ crop: { padding: 1 }, flip: 0.5, fill: 255 });
    const marked = new Uint8Array(25);
    marked.set([10, 20], 12); // the centre, and the pixel right of it
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 3600; seed++) {
      const result = augmentPixels(marked, [5, 5, 1], options, createRng(seed));
      const key = `${result.indexOf(10)} ${result.indexOf(20)}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    assert.equal(counts.size, 18); // nine places, each both ways
    // 3600 / 18 = 200 of each, with a standard deviation of 13.7: within 5 of them
    for (const [key, count] of counts) assert.ok(Math.abs(count - 200) < 69, `${key}: ${count}`);
  });

  it('jitters within the amounts', () => {
    const plain = new Uint8Array(48).fill(100);
    const options = AugmentOptions.parse({ jitter: { brightness: 0.2 } });
    const values = Array.from(
      { length: 300 },
      (_, seed) => augmentPixels(plain, [4, 4, 3], options, createRng(seed))[0]!,
    );
    const [darkest, brightest] = [Math.min(...values), Math.max(...values)];
    assert.ok(darkest >= 80 && darkest <= 82 && brightest <= 120 && brightest >= 118, `${darkest} to ${brightest}`);
  });
});

describe('AugmentOptions', () => {
  for (const [what, options, message] of [
    ['an unknown name', { flop: 1 }, /flop/],
    ['a probability above 1', { flip: 1.5 }, /`augment\.flip`|`flip`/],
    ['two ways of cropping', { crop: { padding: 4 }, resizedCrop: {} }, /two ways of choosing/],
    ['bounds the wrong way round', { resizedCrop: { scale: [0.5, 0.2] } }, /lower bound/],
    ['more than the whole picture', { resizedCrop: { scale: [0.5, 1.2] } }, /at most 1/],
    ['a magnitude beyond 30', { randAugment: { magnitude: 31 } }, /magnitude/],
  ] as const)
    it(`refuse ${what}`, () =>
      assert.throws(() => parseOptions('test', AugmentOptions, options), { code: 'ERR_OPTIONS', message }));
});

describe('expectPictures', () => {
  it('refuses what holds no bytes of pictures', () => {
    expectPictures('here', { type: 'uint8', shape: [4, 4, 3] });
    for (const spec of [
      { type: 'float32', shape: [4, 4, 3] },
      { type: 'uint8', shape: [4, 4] },
      { type: 'uint8', shape: [4, 4, 2] },
      undefined,
    ] as const)
      assert.throws(() => expectPictures('here', spec), { code: 'ERR_CORPUS', message: /^here: expected pictures/ });
  });
});
