import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LRUCache } from 'lru-cache';
import { ShardError, messageOf } from '../errors.ts';
import { readFully } from './byte-source.ts';
import { crc32Of } from './crc32.ts';
import type { ShardEntry } from './record-manifest.ts';
import { localShard } from './remote-folder.ts';
import { isRemote } from './remote-source.ts';
import {
  checkHeader,
  checkTrailer,
  entryBytes,
  HEADER_BYTES,
  indexBytes,
  indexOffset,
  LENGTH_BYTES,
  readEntries,
  TRAILER_BYTES,
  type Mismatch,
  type ShardSize,
} from './shard-layout.ts';

/** Consecutive frames of a shard, as they lie in the file. */
export interface Frames {
  readonly bytes: Buffer;
  /** Place in the shard of `bytes[0]`. */
  readonly offset: number;
  /** Where in `bytes` each frame's msgpack begins and ends, [samples]. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  /** What they are checked by; undefined where they are not. */
  readonly checks: FrameChecks | undefined;
}

interface FrameChecks {
  /** CRC-32 of each frame and its length, [samples]. */
  readonly crcs: Uint32Array;
  /** The first one's number in the shard. */
  readonly first: number;
  /** A bit for each frame of the shard that was found right in this process. */
  readonly right: Uint8Array;
}

/**
 * What of a shard is checked by checksums, once for each file and process: its index and each frame that is taken; all
 * of its bytes; or nothing. A shard without checksums of frames is checked as a whole, or not at all.
 */
export type ShardCheck = 'frames' | 'whole' | 'nothing';

/** An open shard that was found to be what the manifest says. */
export class ShardReader {
  readonly #entry: ShardEntry;
  readonly #handle: FileHandle;
  /** A bit for each frame that was found right; undefined where frames are not checked. */
  readonly #right: Uint8Array | undefined;

  private constructor(entry: ShardEntry, handle: FileHandle, right: Uint8Array | undefined) {
    this.#entry = entry;
    this.#handle = handle;
    this.#right = right;
  }

  /**
   * Opens a shard and checks its size, header and trailer, and by their checksums what `check` says.
   * @throws {ShardError} when the shard is missing or not what the manifest says
   */
  static async open(folder: string, entry: ShardEntry, check: ShardCheck, signal?: AbortSignal): Promise<ShardReader> {
    const path = isRemote(folder) ? await localShard(folder, entry.file, signal) : join(folder, entry.file);
    const handle = await open(path, 'r').catch((cause: unknown) => {
      const got = messageOf(cause);
      throw shardError(entry.file, { offset: 0, expected: 'a file', got }, cause);
    });
    try {
      const stats = await handle.stat();
      const state = stateKey(stats, isRemote(folder) ? undefined : path);
      await checkShard(handle, { state, size: stats.size }, entry, check, signal);
      return new ShardReader(entry, handle, check === 'frames' ? rightFrames(state, entry) : undefined);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Reads samples `[first, first + count)`: two reads, one of the index and one of the frames. */
  async frames(first: number, count: number): Promise<Frames> {
    const { file } = this.#entry;
    const size = sizeOf(this.#entry);
    const end = indexOffset(size);
    const at = end + first * entryBytes(size.version);
    const index = await readFully(this.#handle, file, at, at + indexBytes(count, size.version));
    const { offsets, crcs } = readEntries(index, count, size.version);
    for (let i = 0, lowest = HEADER_BYTES; i <= count; i++) {
      const offset = offsets[i]!;
      if (offset < lowest || offset > end)
        throw shardError(file, {
          offset: at + i * entryBytes(size.version),
          expected: `an offset in [${lowest}, ${end}]`,
          got: `${offset}`,
        });
      lowest = offset + LENGTH_BYTES;
    }
    const offset = offsets[0]!;
    const bytes = await readFully(this.#handle, file, offset, offsets[count]!);
    const [starts, ends] = [new Uint32Array(count), new Uint32Array(count)];
    for (let i = 0; i < count; i++) {
      starts[i] = offsets[i]! - offset + LENGTH_BYTES;
      ends[i] = offsets[i + 1]! - offset;
    }
    const right = this.#right;
    return { bytes, offset, starts, ends, checks: right && crcs && { crcs, first, right } };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * Checks that frame `i` is what was written: its length, and its checksum where that was not found right before.
 * @throws {ShardError} when it is not
 */
export function checkFrame(file: string, frames: Frames, i: number): void {
  const { checks } = frames;
  if (!checks) return checkLength(file, frames, i);
  const { crcs, first, right } = checks;
  const byte = (first + i) >> 3;
  const bit = 1 << ((first + i) & 7);
  if (right[byte]! & bit) return;
  checkCrc(file, frames, i, crcs[i]!);
  checkLength(file, frames, i);
  right[byte]! |= bit;
}

function checkCrc(file: string, { bytes, offset, starts, ends }: Frames, i: number, expected: number): void {
  const from = starts[i]! - LENGTH_BYTES;
  const got = crc32Of(bytes.subarray(from, ends[i]));
  if (got === expected) return;
  throw shardError(file, { offset: offset + from, expected: `a frame of CRC-32 ${hex(expected)}`, got: hex(got) });
}

function checkLength(file: string, { bytes, offset, starts, ends }: Frames, i: number): void {
  const from = starts[i]! - LENGTH_BYTES;
  const length = bytes.readUInt32LE(from);
  const room = ends[i]! - starts[i]!;
  if (length === room) return;
  throw shardError(file, {
    offset: offset + from,
    expected: `a frame of ${room} bytes`,
    got: `a length of ${length}`,
  });
}

const hex = (crc: number): string => crc.toString(16).padStart(8, '0');

const sizeOf = ({ bytes, samples, indexSha256 }: ShardEntry): ShardSize => ({
  bytes,
  samples,
  version: indexSha256 === undefined ? 1 : 2,
});

/** Bytes of memory for what was found right: that of the shards used longest ago is forgotten, and checked anew. */
const RIGHT_BYTES = 8 * 2 ** 20;
const rights = new LRUCache<string, Uint8Array>({
  maxSize: RIGHT_BYTES,
  sizeCalculation: ({ length }) => length,
});

/** A bit for each frame of a shard that was found right, by its state and index. */
function rightFrames(state: string, { indexSha256, samples }: ShardEntry): Uint8Array | undefined {
  if (indexSha256 === undefined) return undefined;
  const key = `${state} ${indexSha256}`;
  const bits = rights.get(key) ?? new Uint8Array(Math.ceil(samples / 8));
  rights.set(key, bits);
  return bits;
}

async function checkShard(
  handle: FileHandle,
  { state, size }: { readonly state: string; readonly size: number },
  entry: ShardEntry,
  check: ShardCheck,
  signal?: AbortSignal,
) {
  if (size !== entry.bytes)
    throw shardError(entry.file, {
      offset: Math.min(size, entry.bytes),
      expected: `${entry.bytes} bytes`,
      got: `${size}`,
    });
  if (indexOffset(sizeOf(entry)) < HEADER_BYTES)
    throw shardError(entry.file, { offset: 0, expected: `room for ${entry.samples} samples`, got: `${size} bytes` });
  const part = check === 'nothing' ? undefined : checkedPart(entry, check);
  const key = part && `${state} ${part.sha256}`;
  if (key !== undefined && verified.has(key)) return;
  const sum = part ? [checkSum(handle, { ...part, entry }, signal)] : [];
  for (const done of await Promise.allSettled([...sum, checkEnds(handle, entry)]))
    if (done.status === 'rejected') throw done.reason; // all have ended: the file may be closed
  if (key !== undefined) verified.add(key);
}

/** What was found right, as state of the file and sha256: a file that changes is checked again. */
const verified = new Set<string>();

async function checkEnds(handle: FileHandle, entry: ShardEntry): Promise<void> {
  const { file, bytes } = entry;
  const size = sizeOf(entry);
  const mismatch =
    checkHeader(await readFully(handle, file, 0, HEADER_BYTES), size.version) ??
    checkTrailer(await readFully(handle, file, bytes - TRAILER_BYTES, bytes), size);
  if (mismatch) throw shardError(file, mismatch);
}

interface CheckedPart {
  /** Checked from here to the shard's end. */
  readonly from: number;
  readonly sha256: string;
  /** Names it in messages. */
  readonly what: string;
}

/** What is checked when a shard is opened. */
const checkedPart = (entry: ShardEntry, check: 'frames' | 'whole'): CheckedPart =>
  check === 'whole' || entry.indexSha256 === undefined
    ? { from: 0, sha256: entry.sha256, what: 'sha256' }
    : { from: indexOffset(sizeOf(entry)), sha256: entry.indexSha256, what: 'an index of sha256' };

/**
 * Names a file and its content: what has the same name was not written since.
 * @param path where it lies; not said of a file of the cache, whose times change whenever it is used
 */
export function stateKey({ size, mtimeMs, birthtimeMs, ino }: FileState, path?: string): string {
  const place = path === undefined ? 'cached' : `${resolve(path)} ${mtimeMs}`;
  return `${place} ${ino} ${birthtimeMs} ${size}`; // a file system gives the number of a deleted file to the next one
}

type FileState = Pick<Stats, 'size' | 'mtimeMs' | 'birthtimeMs' | 'ino'>;

const HASH_BYTES = 2 ** 20;

async function checkSum(
  handle: FileHandle,
  { from: begin, sha256, what, entry: { file, bytes } }: CheckedPart & { readonly entry: ShardEntry },
  signal?: AbortSignal,
): Promise<void> {
  const hash = createHash('sha256');
  const chunk = new Uint8Array(Math.min(HASH_BYTES, bytes - begin));
  for (let from = begin; from < bytes; from += HASH_BYTES) {
    signal?.throwIfAborted();
    hash.update(await readFully(handle, file, from, Math.min(from + HASH_BYTES, bytes), chunk));
  }
  const got = hash.digest('hex');
  if (got !== sha256) throw shardError(file, { offset: begin, expected: `${what} ${sha256}`, got });
}

function shardError(shard: string, { offset, expected, got }: Mismatch, cause?: unknown): ShardError {
  return new ShardError(
    `Shard \`${shard}\` at byte ${offset}: expected ${expected}, got ${got}. The shard is not what was written: fetch or write it again.`,
    { shard, offset, expected, got },
    { cause },
  );
}
