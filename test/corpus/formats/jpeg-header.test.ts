import assert from 'node:assert/strict';
import sharp from 'sharp';
import { jpegHeader } from '../../../src/corpus/formats/jpeg-header.ts';

describe('jpegHeader', () => {
  const picture = () => sharp({ create: { width: 37, height: 21, channels: 3, background: '#123456' } });
  const plain = {
    width: 37,
    height: 21,
    components: 3,
    precision: 8,
    isHuffman: true,
    orientation: 1,
    hasProfile: false,
  };

  /** A JPEG with a segment put before all others. */
  const withSegment = async (marker: number, body: Buffer) => {
    const bytes = await picture().jpeg().toBuffer();
    const head = Buffer.from([0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 0xff]);
    return Buffer.concat([bytes.subarray(0, 2), head, body, bytes.subarray(2)]);
  };
  const exif = (tiff: Buffer) => withSegment(0xe1, Buffer.concat([Buffer.from('Exif\0\0'), tiff]));
  /** One directory of one entry: the orientation. */
  const orientation = (value: number, order: 'II' | 'MM') => {
    const tiff = Buffer.alloc(26);
    tiff.write(order);
    const short = (number: number, at: number) =>
      order === 'II' ? tiff.writeUInt16LE(number, at) : tiff.writeUInt16BE(number, at);
    short(42, 2);
    short(8, order === 'II' ? 4 : 6); // where the directory begins
    short(1, 8);
    for (const [number, at] of [
      [0x0112, 10],
      [3, 12],
      [1, order === 'II' ? 14 : 16],
      [value, 18],
    ] as const)
      short(number, at);
    return tiff;
  };

  it('reads what there is of a plain JPEG', async () => {
    assert.deepEqual(jpegHeader(await picture().jpeg().toBuffer()), plain);
    assert.deepEqual(jpegHeader(await picture().jpeg({ progressive: true }).toBuffer()), plain);
    const grey = await picture().toColourspace('b-w').jpeg().toBuffer();
    assert.deepEqual(jpegHeader(grey), { ...plain, components: 1 });
  });

  it('reads how the camera was held, in both orders of bytes', async () => {
    for (const order of ['II', 'MM'] as const)
      for (const value of [1, 3, 8])
        assert.equal(jpegHeader(await exif(orientation(value, order)))?.orientation, value);
    const written = await picture().withMetadata({ orientation: 6 }).jpeg().toBuffer();
    assert.equal(jpegHeader(written)?.orientation, 6);
  });

  it('takes a camera for upright that says nothing, and for unknown one that says nonsense', async () => {
    const none = Buffer.from('II*\0\x08\0\0\0\0\0');
    assert.equal(jpegHeader(await exif(none))?.orientation, 1);
    assert.equal(jpegHeader(await exif(Buffer.from('II*\0\xff\xff\0\0', 'latin1')))?.orientation, undefined);
    assert.equal(jpegHeader(await exif(orientation(1, 'MM').subarray(0, 15)))?.orientation, undefined);
  });

  it('sees a profile', async () => {
    assert.equal(jpegHeader(await picture().withIccProfile('p3').jpeg().toBuffer())?.hasProfile, true);
  });

  it('knows inks and codes that are not Huffman’s', async () => {
    assert.equal(jpegHeader(await picture().toColourspace('cmyk').jpeg().toBuffer())?.components, 4);
    const bytes = await picture().jpeg().toBuffer();
    bytes[bytes.indexOf(Buffer.from([0xff, 0xc0])) + 1] = 0xc9; // SOF9: arithmetic
    assert.equal(jpegHeader(bytes)?.isHuffman, false);
  });

  it('knows nothing of what has no frame, two of them, or no scan', async () => {
    const bytes = await picture().jpeg().toBuffer();
    const at = bytes.indexOf(Buffer.from([0xff, 0xc0]));
    const end = at + 2 + bytes.readUInt16BE(at + 2);
    const twice = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    const without = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    for (const damaged of [twice, without, bytes.subarray(0, end), Buffer.from([0xff, 0xd8])])
      assert.equal(jpegHeader(damaged), undefined);
  });
});
