import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ShardError } from '../errors.ts';
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
  /** CRC-32 of each frame and its length, [samples]; undefined where none is to be checked. */
  readonly crcs: Uint32Array | undefined;
}

/**
 * What of a shard is checked by checksums: its index, once for each file and process, and each frame that is taken; all
 * of its bytes, once as well; or nothing. A shard without checksums of frames is checked as a whole, or not at all.
 */
export type ShardCheck = 'frames' | 'whole' | 'nothing';

/** An open shard that was found to be what the manifest says. */
export class ShardReader {
  readonly #entry: ShardEntry;
  readonly #handle: FileHandle;
  readonly #check: ShardCheck;

  private constructor(entry: ShardEntry, handle: FileHandle, check: ShardCheck) {
    this.#entry = entry;
    this.#handle = handle;
    this.#check = check;
  }

  /**
   * Opens a shard and checks its size, header and trailer, and by their checksums what `check` says.
   * @throws {ShardError} when the shard is missing or not what the manifest says
   */
  static async open(folder: string, entry: ShardEntry, check: ShardCheck, signal?: AbortSignal): Promise<ShardReader> {
    const path = isRemote(folder) ? await localShard(folder, entry.file) : join(folder, entry.file);
    const handle = await open(path, 'r').catch((cause: unknown) => {
      const got = cause instanceof Error ? cause.message : String(cause);
      throw shardError(entry.file, { offset: 0, expected: 'a file', got }, cause);
    });
    try {
      const place = isRemote(folder) ? undefined : path;
      await checkShard(handle, place, entry, check, signal);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return new ShardReader(entry, handle, check);
  }

  /** Reads samples `[first, first + count)`: two reads, one of the index and one of the frames. */
  async frames(first: number, count: number): Promise<Frames> {
    const { file } = this.#entry;
    const size = sizeOf(this.#entry);
    const end = indexOffset(size);
    const at = end + first * entryBytes(size.version);
    const index = await readFully(this.#handle, file, at, at + indexBytes(count, size.version));
    const { offsets, crcs } = readEntries(index, count, size.version);
    offsets.forEach((offset, i) => {
      const lowest = i === 0 ? HEADER_BYTES : offsets[i - 1]! + LENGTH_BYTES;
      if (offset < lowest || offset > end)
        throw shardError(file, {
          offset: at + i * entryBytes(size.version),
          expected: `an offset in [${lowest}, ${end}]`,
          got: `${offset}`,
        });
    });
    const offset = offsets[0]!;
    const bytes = await readFully(this.#handle, file, offset, offsets[count]!);
    const starts = offsets.subarray(0, count).map((from) => from - offset + LENGTH_BYTES);
    const ends = offsets.subarray(1).map((to) => to - offset);
    return { bytes, offset, starts, ends, crcs: this.#check === 'nothing' ? undefined : crcs };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * Checks that frame `i` is what was written: its length, and its checksum where it has one.
 * @throws {ShardError} when it is not
 */
export function checkFrame(file: string, { bytes, offset, starts, ends, crcs }: Frames, i: number): void {
  const from = starts[i]! - LENGTH_BYTES;
  const to = ends[i]!;
  if (crcs) {
    const crc = crc32Of(bytes.subarray(from, to));
    if (crc !== crcs[i])
      throw shardError(file, { offset: offset + from, expected: `a frame of CRC-32 ${hex(crcs[i]!)}`, got: hex(crc) });
  }
  const length = bytes.readUInt32LE(from);
  const room = to - starts[i]!;
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

/** @param path where it lies; not said of a file of the cache, whose times change whenever it is used */
async function checkShard(
  handle: FileHandle,
  path: string | undefined,
  entry: ShardEntry,
  check: ShardCheck,
  signal?: AbortSignal,
) {
  const state = await handle.stat();
  const { size } = state;
  const expected = sizeOf(entry);
  if (size !== entry.bytes)
    throw shardError(entry.file, {
      offset: Math.min(size, entry.bytes),
      expected: `${entry.bytes} bytes`,
      got: `${size}`,
    });
  if (indexOffset(expected) < HEADER_BYTES)
    throw shardError(entry.file, { offset: 0, expected: `room for ${entry.samples} samples`, got: `${size} bytes` });
  const checked = check === 'nothing' ? undefined : checkedPart(entry, check);
  if (checked) await verifyOnce(handle, stateKey(state, path), { ...checked, entry }, signal);
  const mismatch =
    checkHeader(await readFully(handle, entry.file, 0, HEADER_BYTES), expected.version) ??
    checkTrailer(await readFully(handle, entry.file, size - TRAILER_BYTES, size), expected);
  if (mismatch) throw shardError(entry.file, mismatch);
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

/** What was found right, as state of the file and sha256: a file that changes is checked again. */
const verified = new Set<string>();
const HASH_BYTES = 2 ** 20;

async function verifyOnce(
  handle: FileHandle,
  state: string,
  { from: begin, sha256, what, entry: { file, bytes } }: CheckedPart & { readonly entry: ShardEntry },
  signal?: AbortSignal,
): Promise<void> {
  const key = `${state} ${sha256}`;
  if (verified.has(key)) return;
  const hash = createHash('sha256');
  const chunk = new Uint8Array(Math.min(HASH_BYTES, bytes - begin));
  for (let from = begin; from < bytes; from += HASH_BYTES) {
    signal?.throwIfAborted();
    hash.update(await readFully(handle, file, from, Math.min(from + HASH_BYTES, bytes), chunk));
  }
  const got = hash.digest('hex');
  if (got !== sha256) throw shardError(file, { offset: begin, expected: `${what} ${sha256}`, got });
  verified.add(key);
}

function shardError(shard: string, { offset, expected, got }: Mismatch, cause?: unknown): ShardError {
  return new ShardError(
    `Shard \`${shard}\` at byte ${offset}: expected ${expected}, got ${got}. The shard is not what was written: fetch or write it again.`,
    { shard, offset, expected, got },
    { cause },
  );
}
