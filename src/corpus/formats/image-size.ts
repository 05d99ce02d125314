import { jpegHeader } from './jpeg-header.ts';

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
  const jpeg = jpegHeader(bytes);
  return jpeg && { width: jpeg.width, height: jpeg.height };
}
