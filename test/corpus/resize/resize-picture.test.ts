import assert from 'node:assert/strict';
import fc from 'fast-check';
import sharp from 'sharp';
import type { Picture, Rectangle } from '../../../src/corpus/augment/picture.ts';
import { canResize, resizePicture, type Resizing } from '../../../src/corpus/resize/resize-picture.ts';
import { createRng } from '../../../src/stream/random.ts';
import { resizedExactly } from './reference.ts';

const kernels = ['linear', 'cubic', 'lanczos3'] as const;
const whole = ({ height, width }: Picture): Rectangle => ({ top: 0, left: 0, height, width });
const asked = (height: number, width: number, more: Partial<Resizing> = {}): Resizing => ({
  height,
  width,
  fit: 'fill',
  kernel: 'linear',
  background: [9, 8, 7],
  ...more,
});

function noise(height: number, width: number, channels: number, seed = 1): Picture {
  const rng = createRng(seed, 'pixels');
  return {
    data: Uint8Array.from({ length: height * width * channels }, () => rng.integer(256)),
    height,
    width,
    channels,
  };
}

/** The largest sum of weights without their signs, at the end of an axis where the kernel is cut. */
const spread = { linear: 1, cubic: 1.3, lanczos3: 1.6 };

function assertNear(got: Uint8Array, exact: Float64Array, kernel: Resizing['kernel'], what: string): void {
  assert.equal(got.length, exact.length, what);
  const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - exact[i]!)), 0);
  // half a level of the first pass, weighted by the second, half a level of that, and what the rounding of weights adds
  assert.ok(worst < 0.5 * spread[kernel] + 0.5 + 0.1, `${what}: off by ${worst}`);
}

const size = fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 40 }) }, fc.constantFrom(1, 2, 15, 16, 17, 90));
const aPicture = fc.record({ height: size, width: size, channels: fc.constantFrom(1, 3), seed: fc.nat(1000) });

describe('resizePicture', () => {
  before(function () {
    if (!canResize) this.skip(); // a machine without SIMD
  });

  it('is the weighted mean in exact numbers, of any size, smaller or larger', () => {
    fc.assert(
      fc.property(aPicture, size, size, fc.constantFrom(...kernels), (kind, height, width, kernel) => {
        const picture = noise(kind.height, kind.width, kind.channels, kind.seed);
        const exact = resizedExactly(picture, whole(picture), { height, width }, kernel);
        const got = resizePicture(picture, whole(picture), asked(height, width, { kernel }));
        assertNear(got, exact, kernel, JSON.stringify({ ...kind, to: [height, width], kernel }));
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  for (const kernel of kernels)
    it(`is within 2 levels of the exact mean of a smooth picture, by ${kernel}`, () => {
      for (const channels of [1, 3]) {
        const [height, width] = [61, 83];
        const data = Uint8Array.from({ length: height * width * channels }, (_, i) => {
          const [x, y] = [Math.floor(i / channels) % width, Math.floor(i / channels / width)];
          return 128 + 60 * Math.sin(x / 5 + (i % channels)) + 50 * Math.cos(y / 4);
        });
        const picture = { data, height, width, channels };
        for (const to of [
          { height: 31, width: 40 },
          { height: 90, width: 50 },
          { height: 3, width: 200 },
        ]) {
          const exact = resizedExactly(picture, whole(picture), to, kernel);
          const got = resizePicture(picture, whole(picture), asked(to.height, to.width, { kernel }));
          const errors = Array.from(got, (value, i) => Math.abs(value - exact[i]!));
          assert.ok(Math.max(...errors) < 2 && errors.reduce((a, b) => a + b, 0) / errors.length < 0.5, `${channels}`);
        }
      }
    });

  it('holds at extreme ratios', () => {
    for (const channels of [1, 3])
      for (const [height, width, to] of [
        [1, 5000, [7, 3]],
        [5000, 1, [3, 7]],
        [3000, 2, [1, 1]],
        [1, 1, [300, 5]],
        [2, 3, [5, 900]],
      ] as const) {
        const picture = noise(height, width, channels);
        const exact = resizedExactly(picture, whole(picture), { height: to[0], width: to[1] }, 'linear');
        const got = resizePicture(picture, whole(picture), asked(to[0], to[1]));
        assertNear(got, exact, 'linear', `${height} × ${width} × ${channels} to ${to.join(' × ')}`);
      }
  });

  it('keeps a picture of one colour, and one whose size stays, to the bit', () => {
    fc.assert(
      fc.property(aPicture, size, size, fc.constantFrom(...kernels), (kind, height, width, kernel) => {
        const picture = noise(kind.height, kind.width, kind.channels, kind.seed);
        const same = resizePicture(picture, whole(picture), asked(kind.height, kind.width, { kernel }));
        assert.deepEqual(same, picture.data);
        const colour = [201, 3, 255].slice(0, kind.channels);
        const flat = { ...picture, data: picture.data.map((_, i) => colour[i % kind.channels]!) };
        const got = resizePicture(flat, whole(flat), asked(height, width, { kernel }));
        assert.ok(got.every((value, i) => value === colour[i % kind.channels]));
      }),
      { seed: 5, numRuns: 150 },
    );
  });

  it('takes a part as if there were nothing beside it, and leaves the picture as it is', () => {
    fc.assert(
      fc.property(aPicture, fc.nat(), fc.nat(), fc.constantFrom(...kernels), (kind, down, right, kernel) => {
        const picture = noise(kind.height, kind.width, kind.channels, kind.seed);
        const before = Uint8Array.from(picture.data);
        const [top, left] = [down % kind.height, right % kind.width];
        const part = { top, left, height: kind.height - top, width: Math.ceil((kind.width - left) / 2) };
        const row = kind.width * kind.channels;
        const rows = Array.from({ length: part.height }, (_, y) => {
          const from = (top + y) * row + left * kind.channels;
          return [...picture.data.subarray(from, from + part.width * kind.channels)];
        });
        const alone = { ...part, channels: kind.channels, data: Uint8Array.from(rows.flat()) };
        const to = asked(9, 13, { kernel });
        assert.deepEqual(resizePicture(picture, part, to), resizePicture(alone, whole(alone), to));
        assert.deepEqual(picture.data, before);
      }),
      { seed: 6, numRuns: 100 },
    );
  });

  it('covers with the middle of a picture, and uses what lies beside it, as far as the kernel reaches', () => {
    fc.assert(
      fc.property(aPicture, size, size, fc.constantFrom(...kernels), (kind, height, width, kernel) => {
        const picture = noise(kind.height, kind.width, kind.channels, kind.seed);
        const scale = Math.min(kind.height / height, kind.width / width);
        const [tall, wide] = [scale * height, scale * width];
        const box = { top: (kind.height - tall) / 2, left: (kind.width - wide) / 2, height: tall, width: wide };
        const exact = resizedExactly(picture, box, { height, width }, kernel);
        const got = resizePicture(picture, whole(picture), asked(height, width, { kernel, fit: 'cover' }));
        assertNear(got, exact, kernel, JSON.stringify({ ...kind, to: [height, width], kernel }));
      }),
      { seed: 7, numRuns: 150 },
    );
  });

  it('contains the whole picture in the middle of the background', () => {
    const picture = noise(10, 20, 3);
    const inner = resizePicture(picture, whole(picture), asked(4, 8));
    const tall = resizePicture(picture, whole(picture), asked(7, 8, { fit: 'contain' }));
    const pad = (rows: number) => Array.from({ length: rows * 8 }, () => [9, 8, 7]).flat();
    assert.deepEqual([...tall], [...pad(1), ...inner, ...pad(2)]);
    const wide = resizePicture(picture, whole(picture), asked(4, 11, { fit: 'contain' }));
    for (let y = 0; y < 4; y++)
      assert.deepEqual(
        [...wide.subarray(y * 33, (y + 1) * 33)],
        [9, 8, 7, ...inner.subarray(y * 24, (y + 1) * 24), 9, 8, 7, 9, 8, 7],
      );
    const thin = noise(1, 500, 1);
    assert.equal(resizePicture(thin, whole(thin), asked(9, 9, { fit: 'contain', background: [5] })).length, 81);
  });

  it('is within 2 levels of libvips, half a level on average, where that takes no mean of whole pixels before (from half the size down)', async () => {
    const [height, width, channels] = [120, 161, 3];
    const waves = (i: number) => 128 + 60 * Math.sin(((i / 3) % width) / 5) + 50 * Math.cos(i / 3 / width / 4);
    const data = Uint8Array.from({ length: height * width * channels }, (_, i) => waves(i));
    const raw = { height, width, channels: 3 } as const;
    for (const kernel of kernels)
      for (const [tall, wide] of [
        [70, 100],
        [119, 90],
        [61, 110],
      ] as const) {
        const resizing = sharp(data, { raw }).resize({ height: tall, width: wide, fit: 'fill', kernel });
        const theirs = await resizing.raw().toBuffer();
        const own = resizePicture(
          { data, height, width, channels },
          whole({ data, ...raw }),
          asked(tall, wide, { kernel }),
        );
        const errors = Array.from(own, (value, i) => Math.abs(value - theirs[i]!));
        const told = `${kernel} ${tall} × ${wide}: ${Math.max(...errors)}`;
        assert.ok(Math.max(...errors) <= 2 && errors.reduce((a, b) => a + b, 0) / errors.length < 0.5, told);
      }
  });
});
