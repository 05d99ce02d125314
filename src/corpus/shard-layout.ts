/**
 * A record shard, byte by byte (numbers little-endian):
 *
 * | bytes         | what                                                                            |
 * |---------------|---------------------------------------------------------------------------------|
 * | 0 – 15        | `TAUSHARD`, version (u32), 0 (u32)                                              |
 * | frames        | length (u32), then so many bytes of msgpack: one sample                         |
 * | index         | offset of each frame and its CRC-32, length included (2 × u32); the frames' end |
 * | last 16 bytes | samples (u32), offset of the index (u32), `TAUINDEX`                            |
 *
 * The index stands behind the frames, so that a shard is written in one pass, and any sample is read without the others.
 * Each is checked by itself, and the index and what follows it by their sha256 in the manifest: so a stream reads and
 * checks what it gives and no more, wherever it begins, and a damaged frame costs one sample. Shards of version 1 have no
 * CRC-32s; only their sha256 as a whole tells whether they are right.
 */
export const SHARD_VERSION = 2;
export type ShardVersion = 1 | 2;
export const HEADER_BYTES = 16;
export const TRAILER_BYTES = 16;
export const LENGTH_BYTES = 4;
const OFFSET_BYTES = 4;
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

/** Bytes of the index for each frame. */
export const entryBytes = (version: ShardVersion): number => (version === 1 ? OFFSET_BYTES : 2 * OFFSET_BYTES);

/** Bytes of the index of so many frames. */
export const indexBytes = (frames: number, version: ShardVersion): number =>
  frames * entryBytes(version) + OFFSET_BYTES;

/** Bytes of a shard around its frames, as it is written. */
export const overheadBytes = (frames: number): number =>
  HEADER_BYTES + indexBytes(frames, SHARD_VERSION) + TRAILER_BYTES;

/**
 * The index and the trailer.
 * @param offsets where each frame begins, [frames]
 * @param crcs of each frame, its length included, [frames]
 * @param end where the last frame ends
 */
export function shardEnd(offsets: readonly number[], crcs: readonly number[], end: number): Buffer {
  const bytes = Buffer.alloc(indexBytes(offsets.length, SHARD_VERSION) + TRAILER_BYTES);
  let at = 0;
  offsets.forEach((offset, i) => {
    at = bytes.writeUInt32LE(offset, at);
    at = bytes.writeUInt32LE(crcs[i]!, at);
  });
  at = bytes.writeUInt32LE(end, at);
  at = bytes.writeUInt32LE(offsets.length, at);
  at = bytes.writeUInt32LE(end, at);
  bytes.write(TRAILER_MAGIC, at, 'latin1');
  return bytes;
}

/** Consecutive frames as the index has them. */
export interface IndexEntries {
  /** Where each frame begins, then where the last one ends, [frames + 1]. */
  readonly offsets: Uint32Array;
  /** [frames]; undefined where the shard has none. */
  readonly crcs: Uint32Array | undefined;
}

/** Reads entries of an index. @param bytes of the frames' entries, and the offset that follows them */
export function readEntries(bytes: Buffer, frames: number, version: ShardVersion): IndexEntries {
  const stride = entryBytes(version);
  const offsets = new Uint32Array(frames + 1);
  for (let i = 0; i <= frames; i++) offsets[i] = bytes.readUInt32LE(i * stride);
  if (version === 1) return { offsets, crcs: undefined };
  const crcs = new Uint32Array(frames);
  for (let i = 0; i < frames; i++) crcs[i] = bytes.readUInt32LE(i * stride + OFFSET_BYTES);
  return { offsets, crcs };
}

/** Something in a shard that is not as it must be, before it is known which shard that is. */
export interface Mismatch {
  readonly offset: number;
  readonly expected: string;
  readonly got: string;
}

/** What is wrong with a shard's header, if anything. */
export function checkHeader(header: Buffer, expected: ShardVersion): Mismatch | undefined {
  const magic = header.toString('latin1', 0, 8);
  if (magic !== HEADER_MAGIC) return { offset: 0, expected: HEADER_MAGIC, got: JSON.stringify(magic) };
  const version = header.readUInt32LE(8);
  if (version !== expected) return { offset: 8, expected: `version ${expected}`, got: `version ${version}` };
  const reserved = header.readUInt32LE(12);
  return reserved === 0 ? undefined : { offset: 12, expected: '0', got: `${reserved}` };
}

/** What is wrong with a shard's trailer, if anything: the index must fill the space between frames and trailer. */
export function checkTrailer(
  trailer: Buffer,
  { bytes: shardBytes, samples, version }: ShardSize,
): Mismatch | undefined {
  const offset = shardBytes - TRAILER_BYTES;
  const magic = trailer.toString('latin1', 8, 16);
  if (magic !== TRAILER_MAGIC) return { offset: offset + 8, expected: TRAILER_MAGIC, got: JSON.stringify(magic) };
  const counted = trailer.readUInt32LE(0);
  if (counted !== samples) return { offset, expected: `${samples} samples, as in the manifest`, got: `${counted}` };
  const index = trailer.readUInt32LE(4);
  const expected = indexOffset({ bytes: shardBytes, samples, version });
  return index === expected
    ? undefined
    : { offset: offset + 4, expected: `the index at byte ${expected}`, got: `${index}` };
}

/** What says where a shard's parts lie. */
export interface ShardSize {
  readonly bytes: number;
  readonly samples: number;
  readonly version: ShardVersion;
}

/** Where a shard's index begins, which is where its last frame ends. */
export const indexOffset = ({ bytes, samples, version }: ShardSize): number =>
  bytes - TRAILER_BYTES - indexBytes(samples, version);
