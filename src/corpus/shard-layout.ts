/**
 * A record shard, byte by byte (numbers little-endian):
 *
 * | bytes         | what                                                                            |
 * |---------------|---------------------------------------------------------------------------------|
 * | 0 – 15        | `TAUSHARD`, version (u32), 0 (u32)                                              |
 * | frames        | length (u32), then so many bytes of msgpack: one sample                         |
 * | index         | offset of each frame (u32), then where the last one ends                        |
 * | last 16 bytes | samples (u32), offset of the index (u32), `TAUINDEX`                            |
 *
 * The index stands behind the frames, so that a shard is written in one pass, and any sample is read without the others.
 */
export const SHARD_VERSION = 1;
export const HEADER_BYTES = 16;
export const TRAILER_BYTES = 16;
export const LENGTH_BYTES = 4;
export const OFFSET_BYTES = 4;
/** Offsets are 32-bit, and a shard is meant to be fetched as a whole. */
export const MAX_SHARD_BYTES = 2 ** 31;

const HEADER_MAGIC = 'TAUSHARD';
const TRAILER_MAGIC = 'TAUINDEX';

export function shardHeader(): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(HEADER_MAGIC, 'latin1');
  header.writeUInt32LE(SHARD_VERSION, 8);
  return header;
}

/** The index and the trailer. @param offsets where each frame begins, then where the last one ends */
export function shardEnd(offsets: readonly number[]): Buffer {
  const end = Buffer.alloc(offsets.length * OFFSET_BYTES + TRAILER_BYTES);
  offsets.forEach((offset, i) => end.writeUInt32LE(offset, i * OFFSET_BYTES));
  const trailer = end.subarray(offsets.length * OFFSET_BYTES);
  trailer.writeUInt32LE(offsets.length - 1, 0);
  trailer.writeUInt32LE(offsets.at(-1)!, 4);
  trailer.write(TRAILER_MAGIC, 8, 'latin1');
  return end;
}

/** Something in a shard that is not as it must be, before it is known which shard that is. */
export interface Mismatch {
  readonly offset: number;
  readonly expected: string;
  readonly got: string;
}

/** What is wrong with a shard's header, if anything. */
export function checkHeader(header: Buffer): Mismatch | undefined {
  const magic = header.toString('latin1', 0, 8);
  if (magic !== HEADER_MAGIC) return { offset: 0, expected: HEADER_MAGIC, got: JSON.stringify(magic) };
  const version = header.readUInt32LE(8);
  if (version === SHARD_VERSION) return undefined;
  return { offset: 8, expected: `version ${SHARD_VERSION}`, got: `version ${version}` };
}

/** What is wrong with a shard's trailer, if anything: the index must fill the space between frames and trailer. */
export function checkTrailer(trailer: Buffer, shardBytes: number, samples: number): Mismatch | undefined {
  const offset = shardBytes - TRAILER_BYTES;
  const magic = trailer.toString('latin1', 8, 16);
  if (magic !== TRAILER_MAGIC) return { offset: offset + 8, expected: TRAILER_MAGIC, got: JSON.stringify(magic) };
  const counted = trailer.readUInt32LE(0);
  if (counted !== samples) return { offset, expected: `${samples} samples, as in the manifest`, got: `${counted}` };
  const index = trailer.readUInt32LE(4);
  const expected = indexOffset(shardBytes, samples);
  return index === expected
    ? undefined
    : { offset: offset + 4, expected: `the index at byte ${expected}`, got: `${index}` };
}

/** Where a shard's index begins, which is where its last frame ends. */
export const indexOffset = (shardBytes: number, samples: number): number =>
  shardBytes - TRAILER_BYTES - (samples + 1) * OFFSET_BYTES;
