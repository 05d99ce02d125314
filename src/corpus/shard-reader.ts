import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ShardError } from '../errors.ts';
import { readFully } from './byte-source.ts';
import type { ShardEntry } from './record-manifest.ts';
import { localShard } from './remote-folder.ts';
import { isRemote } from './remote-source.ts';
import {
  checkHeader,
  checkTrailer,
  HEADER_BYTES,
  indexOffset,
  LENGTH_BYTES,
  OFFSET_BYTES,
  TRAILER_BYTES,
  type Mismatch,
} from './shard-layout.ts';

/** Consecutive frames of a shard, as they lie in the file. */
export interface Frames {
  readonly bytes: Buffer;
  /** Place in the shard of `bytes[0]`. */
  readonly offset: number;
  /** Where in `bytes` each frame's msgpack begins and ends, [samples]. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/** An open shard that was found to be what the manifest says. */
export class ShardReader {
  readonly #entry: ShardEntry;
  readonly #handle: FileHandle;

  private constructor(entry: ShardEntry, handle: FileHandle) {
    this.#entry = entry;
    this.#handle = handle;
  }

  /**
   * Opens a shard and checks its size, header, trailer and, once for each file and process, its sha256.
   * @throws {ShardError} when the shard is missing or not what the manifest says
   */
  static async open(folder: string, entry: ShardEntry, verify: boolean, signal?: AbortSignal): Promise<ShardReader> {
    const path = isRemote(folder) ? await localShard(folder, entry.file) : join(folder, entry.file);
    const handle = await open(path, 'r').catch((cause: unknown) => {
      const got = cause instanceof Error ? cause.message : String(cause);
      throw shardError(entry.file, { offset: 0, expected: 'a file', got }, cause);
    });
    try {
      const place = isRemote(folder) ? undefined : path;
      await checkShard(handle, place, entry, verify, signal);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return new ShardReader(entry, handle);
  }

  /** Reads samples `[first, first + count)`: two reads, one of the index and one of the frames. */
  async frames(first: number, count: number): Promise<Frames> {
    const { file, bytes: shardBytes, samples } = this.#entry;
    const end = indexOffset(shardBytes, samples);
    const at = end + first * OFFSET_BYTES;
    const index = await readFully(this.#handle, file, at, at + (count + 1) * OFFSET_BYTES);
    const offsets = Uint32Array.from({ length: count + 1 }, (_, i) => index.readUInt32LE(i * OFFSET_BYTES));
    offsets.forEach((offset, i) => {
      const lowest = i === 0 ? HEADER_BYTES : offsets[i - 1]! + LENGTH_BYTES;
      if (offset < lowest || offset > end)
        throw shardError(file, {
          offset: at + i * OFFSET_BYTES,
          expected: `an offset in [${lowest}, ${end}]`,
          got: `${offset}`,
        });
    });
    const offset = offsets[0]!;
    const bytes = await readFully(this.#handle, file, offset, offsets[count]!);
    return { bytes, offset, ...delimit(file, bytes, offsets) };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Finds the frames, and checks that each is as long as the distance to the next. */
function delimit(file: string, bytes: Buffer, offsets: Uint32Array) {
  const count = offsets.length - 1;
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const at = offsets[i]! - offsets[0]!;
    const room = offsets[i + 1]! - offsets[i]! - LENGTH_BYTES;
    const length = bytes.readUInt32LE(at);
    if (length !== room)
      throw shardError(file, {
        offset: offsets[i]!,
        expected: `a frame of ${room} bytes`,
        got: `a length of ${length}`,
      });
    starts[i] = at + LENGTH_BYTES;
    ends[i] = at + LENGTH_BYTES + length;
  }
  return { starts, ends };
}

/** @param path where it lies; not said of a file of the cache, whose times change whenever it is used */
async function checkShard(
  handle: FileHandle,
  path: string | undefined,
  entry: ShardEntry,
  verify: boolean,
  signal?: AbortSignal,
) {
  const state = await handle.stat();
  const { size } = state;
  if (size !== entry.bytes)
    throw shardError(entry.file, {
      offset: Math.min(size, entry.bytes),
      expected: `${entry.bytes} bytes`,
      got: `${size}`,
    });
  if (size < HEADER_BYTES + TRAILER_BYTES + (entry.samples + 1) * OFFSET_BYTES)
    throw shardError(entry.file, { offset: 0, expected: `room for ${entry.samples} samples`, got: `${size} bytes` });
  if (verify) await verifyOnce(handle, `${stateKey(state, path)} ${entry.sha256}`, entry, signal);
  const mismatch =
    checkHeader(await readFully(handle, entry.file, 0, HEADER_BYTES)) ??
    checkTrailer(await readFully(handle, entry.file, size - TRAILER_BYTES, size), size, entry.samples);
  if (mismatch) throw shardError(entry.file, mismatch);
}

/**
 * Names a file and its content: what has the same name was not written since.
 * @param path where it lies; not said of a file of the cache, whose times change whenever it is used
 */
export function stateKey({ size, mtimeMs, birthtimeMs, ino }: FileState, path?: string): string {
  const place = path === undefined ? 'cached' : `${resolve(path)} ${mtimeMs}`;
  return `${place} ${ino} ${birthtimeMs} ${size}`; // a file system gives the number of a deleted file to the next one
}

type FileState = Pick<Stats, 'size' | 'mtimeMs' | 'birthtimeMs' | 'ino'>;

/** Shards whose sha256 was found right, as path and state of the file: a file that changes is checked again. */
const verified = new Set<string>();
const HASH_BYTES = 2 ** 20;

async function verifyOnce(handle: FileHandle, key: string, entry: ShardEntry, signal?: AbortSignal): Promise<void> {
  if (verified.has(key)) return;
  const hash = createHash('sha256');
  const chunk = new Uint8Array(Math.min(HASH_BYTES, entry.bytes));
  for (let from = 0; from < entry.bytes; from += HASH_BYTES) {
    signal?.throwIfAborted();
    hash.update(await readFully(handle, entry.file, from, Math.min(from + HASH_BYTES, entry.bytes), chunk));
  }
  const got = hash.digest('hex');
  if (got !== entry.sha256) throw shardError(entry.file, { offset: 0, expected: `sha256 ${entry.sha256}`, got });
  verified.add(key);
}

function shardError(shard: string, { offset, expected, got }: Mismatch, cause?: unknown): ShardError {
  return new ShardError(
    `Shard \`${shard}\` at byte ${offset}: expected ${expected}, got ${got}. The shard is not what was written: fetch or write it again.`,
    { shard, offset, expected, got },
    { cause },
  );
}
