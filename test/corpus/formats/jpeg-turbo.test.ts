import assert from 'node:assert/strict';
import sharp, { type JpegOptions, type Sharp } from 'sharp';
import { decodeJpeg } from '../../../src/corpus/formats/jpeg-turbo.ts';

/** Where the library comes with the package that has it; elsewhere libvips decodes, and there is nothing to compare. */
const isHere = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);

describe('decodeJpeg', () => {
  const [width, height] = [75, 50];
  /** Waves of three colours: no two rows or columns are alike. */
  const waves = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, channel] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return 128 + 100 * Math.sin((x * (channel + 1)) / 9 + (y * y) / 200);
  });
  const picture = (): Sharp => sharp(waves, { raw: { width, height, channels: 3 } });
  const jpeg = (options: JpegOptions = {}) =>
    picture()
      .jpeg({ quality: 80, ...options })
      .toBuffer();

  const kinds: Readonly<Record<string, () => Promise<Buffer>>> = {
    'colours of half the size (4:2:0)': () => jpeg(),
    'colours of full size (4:4:4)': () => jpeg({ chromaSubsampling: '4:4:4' }),
    'several scans (progressive)': () => jpeg({ progressive: true }),
    'high quality': () => jpeg({ quality: 100 }),
    grey: () => picture().toColourspace('b-w').jpeg().toBuffer(),
    'an upright camera': () =>
      picture()
        .withExif({ IFD0: { Software: 'it' } })
        .jpeg()
        .toBuffer(),
  };
  for (const [kind, make] of Object.entries(kinds))
    it(`gives libvips’ pixels of a JPEG with ${kind}`, async function () {
      if (!isHere) this.skip();
      const bytes = await make();
      const libvips = await sharp(bytes).toColourspace('srgb').raw().toBuffer();
      const decoded = await decodeJpeg(bytes, 3);
      assert.ok(decoded);
      assert.deepEqual([decoded.height, decoded.width, decoded.channels], [height, width, 3]);
      assert.deepEqual(Buffer.from(decoded.data), libvips);
    });

  it('gives the one channel of a grey JPEG', async function () {
    if (!isHere) this.skip();
    const bytes = await picture().toColourspace('b-w').jpeg().toBuffer();
    const decoded = await decodeJpeg(bytes, 1);
    assert.deepEqual(Buffer.from(decoded!.data), await sharp(bytes).toColourspace('b-w').raw().toBuffer());
  });

  const others: Readonly<Record<string, () => Promise<Uint8Array>>> = {
    'held askew': () => picture().withMetadata({ orientation: 6 }).jpeg().toBuffer(),
    'in colours of a profile': () => picture().withIccProfile('p3').jpeg().toBuffer(),
    'in inks': () => picture().toColourspace('cmyk').jpeg().toBuffer(),
    'that ends early': async () => (await jpeg()).subarray(0, 1200),
    'of other kinds': () => picture().png().toBuffer(),
    'of no bytes': () => Promise.resolve(new Uint8Array()),
  };
  for (const [kind, make] of Object.entries(others))
    it(`leaves images ${kind} to libvips`, async () => {
      assert.equal(await decodeJpeg(await make(), 3), undefined);
    });

  it('leaves colours that are to become grey to libvips, which weighs them as light', async () => {
    assert.equal(await decodeJpeg(await jpeg(), 1), undefined);
  });

  it('decodes many at a time, one good and one damaged in turn', async function () {
    if (!isHere) this.skip();
    const whole = await jpeg();
    const decoded = await Promise.all(
      Array.from({ length: 40 }, (_, i) => decodeJpeg(i % 2 === 0 ? whole : whole.subarray(0, 900 + 10 * i), 3)),
    );
    const first = Buffer.from(decoded[0]!.data);
    for (const [i, one] of decoded.entries())
      if (i % 2 === 0) assert.deepEqual(Buffer.from(one!.data), first);
      else assert.equal(one, undefined);
  });
});
