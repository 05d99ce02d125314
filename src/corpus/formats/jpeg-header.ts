/** What a JPEG says of itself before its pixels. */
export interface JpegHeader {
  /** Pixels from left to right and from top to bottom, as they are stored. */
  readonly width: number;
  readonly height: number;
  /** 1 for grey, 3 for colours, 4 for inks. */
  readonly components: number;
  /** Bits a number. */
  readonly precision: number;
  /** Whether its numbers are coded as nearly all are: Huffman's code over cosines, in one scan or in several. */
  readonly isHuffman: boolean;
  /** How the camera was held: EXIF's number, 1 for upright; undefined where what stands there is no such number. */
  readonly orientation: number | undefined;
  /** Whether its colours are those of a profile (ICC). */
  readonly hasProfile: boolean;
}

const [APP1, APP2, START_OF_SCAN] = [0xe1, 0xe2, 0xda];

/**
 * Reads what stands before the first scan.
 * @returns undefined when the bytes are no JPEG, or damaged: only decoding them tells
 */
export function jpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  let frame: Frame | undefined;
  let orientation: number | undefined = 1;
  let hasProfile = false;
  for (const { marker, body } of segmentsOf(bytes)) {
    if (marker === START_OF_SCAN) return frame && { ...frame, orientation, hasProfile };
    if (isFrame(marker)) {
      if (frame || body.length < 6) return undefined;
      frame = frameOf(marker, body);
    } else if (marker === APP1 && body.toString('latin1', 0, 6) === 'Exif\0\0')
      orientation = orientationOf(body.subarray(6));
    else if (marker === APP2 && body.toString('latin1', 0, 12) === 'ICC_PROFILE\0') hasProfile = true;
  }
  return undefined;
}

/** The segments of a header (ITU T.81, B.1.1.3), up to the first that begins no header's or that does not end. */
function* segmentsOf(bytes: Uint8Array): Generator<{ readonly marker: number; readonly body: Buffer }> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 4 || buffer.readUInt16BE(0) !== 0xffd8) return;
  for (let at = 2; at + 4 <= buffer.length && buffer[at] === 0xff;) {
    const marker = buffer[at + 1]!;
    if (marker === 0xff) {
      at += 1; // fills up
      continue;
    }
    const end = at + 2 + buffer.readUInt16BE(at + 2);
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9) || end < at + 4 || end > buffer.length) return;
    yield { marker, body: buffer.subarray(at + 4, end) };
    at = end;
  }
}

/** SOF0…SOF15, among which stand DHT, JPG and DAC. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

type Frame = Omit<JpegHeader, 'orientation' | 'hasProfile'>;

const frameOf = (marker: number, body: Buffer): Frame => ({
  isHuffman: marker <= 0xc2,
  precision: body.readUInt8(0),
  height: body.readUInt16BE(1),
  width: body.readUInt16BE(3),
  components: body.readUInt8(5),
});

/** What EXIF's first directory says (TIFF 6.0, section 2). */
function orientationOf(tiff: Buffer): number | undefined {
  const isLittle = tiff.toString('latin1', 0, 2) === 'II';
  const short = (at: number) => (isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  try {
    const directory = isLittle ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
    for (let entry = 0; entry < short(directory); entry++) {
      const at = directory + 2 + 12 * entry;
      if (short(at) === 0x0112) return short(at + 8);
    }
    return 1;
  } catch {
    return undefined; // it points outside of the segment
  }
}
