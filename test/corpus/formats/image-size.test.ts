import assert from 'node:assert/strict';
import fc from 'fast-check';
import sharp from 'sharp';
import { sizeOf } from '../../../src/corpus/formats/image-size.ts';

describe('sizeOf', () => {
  const picture = (width = 37, height = 21) =>
    sharp({ create: { width, height, channels: 3, background: { r: 1, g: 2, b: 3 } } });

  for (const [kind, bytes] of [
    ['a JPEG', () => picture().jpeg().toBuffer()],
    ['a progressive JPEG', () => picture().jpeg({ progressive: true }).toBuffer()],
    ['a JPEG with a profile and EXIF', () => picture().withMetadata({ orientation: 6 }).jpeg().toBuffer()],
    ['a grey PNG', () => picture().greyscale().png().toBuffer()],
    ['an interlaced PNG with a palette', () => picture().png({ palette: true, progressive: true }).toBuffer()],
  ] as const)
    it(`reads ${kind}, as it is stored`, async () => {
      assert.deepEqual(sizeOf(await bytes()), { width: 37, height: 21 });
    });

  it('passes over bytes that fill up between segments', async () => {
    const bytes = await picture().jpeg().toBuffer();
    const filled = Buffer.concat([bytes.subarray(0, 2), Buffer.from([0xff, 0xff]), bytes.subarray(2)]);
    assert.deepEqual(sizeOf(filled), { width: 37, height: 21 });
  });

  it('knows nothing of other kinds', async () => {
    for (const bytes of [await picture().webp().toBuffer(), await picture().gif().toBuffer(), Buffer.alloc(100)])
      assert.equal(sizeOf(bytes), undefined);
  });

  it('ends, and does not throw, whatever bytes come, and wherever they are cut', async () => {
    const whole = await picture().jpeg().toBuffer();
    for (let length = 0; length < whole.length; length++) {
      const size = sizeOf(whole.subarray(0, length));
      assert.ok(size === undefined || size.width === 37);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
        sizeOf(Uint8Array.from([0xff, 0xd8, 0xff, ...tail]));
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
