/** Pixels from left to right and from top to bottom, as they are stored: a camera may have been held otherwise. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Reads the size of a JPEG or a PNG from its header.
 * @returns undefined when the bytes are something else, or damaged: only decoding them tells
 */
export function sizeOf(bytes: Uint8Array): ImageSize | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < 24) return undefined;
  if (view.getUint32(0) === 0x89504e47 && view.getUint32(12) === 0x49484452)
    return { width: view.getUint32(16), height: view.getUint32(20) };
  return view.getUint16(0) === 0xffd8 ? jpegSize(view) : undefined;
}

/** Walks the segments up to the start of frame (ITU T.81, B.1.1.3): a length follows each marker but a few. */
function jpegSize(view: DataView): ImageSize | undefined {
  for (let at = 2; at + 9 <= view.byteLength;) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff)
      at += 1; // fills up
    else if (isFrame(marker)) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    else if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xda))
      return undefined; // no header goes on like this
    else at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

/** SOF0…SOF15, among which stand DHT, JPG and DAC. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
