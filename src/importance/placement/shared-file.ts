import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, statfsSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PlacementError, firstLineOf } from '../../errors.ts';

/** A stretch of a shared file, and what it must be stamped with to be what was meant. */
export interface Region {
  readonly offset: number;
  /** Bytes of content, behind the stamp. */
  readonly bytes: number;
  readonly stamp: number;
}

const stampBytes = 8;
/** Stamp of a region that is being written. */
const unfinished = 0;

/**
 * Memory that two processes share: a file in memory (`/dev/shm`, or the folder for temporary files where there is none)
 * that has no name, so nothing is left of it when the processes are gone, however they went. The other process inherits
 * the descriptor.
 *
 * A region is written between two stamps and read between two looks at the stamp, so a reader never takes for whole what
 * was half written, or what was overwritten meanwhile. Regions that are given back are used again.
 */
export class SharedFile {
  readonly fd: number;
  #end = 0;
  #stamp = 0;
  /** Regions that nobody uses, by what they can hold. */
  #idle: { readonly offset: number; readonly capacity: number }[] = [];
  readonly #used = new Map<number, number>();

  /** @param roomFor bytes that will be needed at least; a folder without room for twice as many is passed over */
  constructor(roomFor = 0) {
    this.fd = openUnnamed(2 * roomFor);
  }

  /** Bytes that the file has grown to. */
  get size(): number {
    return this.#end;
  }

  /**
   * Writes parts one after the other into a region of their own.
   * @throws {PlacementError} when there is no room
   */
  write(parts: readonly ArrayBufferView[]): Region {
    const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const region = { offset: this.#take(bytes), bytes, stamp: ++this.#stamp };
    try {
      this.#writeStamp(region.offset, unfinished);
      let at = region.offset + stampBytes;
      for (const part of parts) at += writeAll(this.fd, part, at);
      this.#writeStamp(region.offset, region.stamp);
      return region;
    } catch (cause) {
      this.giveBack(region);
      throw new PlacementError(
        `Scoring elsewhere: cannot write ${bytes} bytes of shared memory: ${firstLineOf(cause)}. ` +
          'Make room in /dev/shm, lower `presampleSize` or `score.ahead`, or score inline.',
        { bytes },
        { cause },
      );
    }
  }

  giveBack({ offset }: Region): void {
    const capacity = this.#used.get(offset);
    if (capacity === undefined) return;
    this.#used.delete(offset);
    this.#idle.push({ offset, capacity });
  }

  close(): void {
    closeSync(this.fd);
  }

  /** The smallest idle region that holds as much, else a new one at the end. */
  #take(bytes: number): number {
    const fitting = this.#idle.filter(({ capacity }) => capacity >= bytes);
    const [best] = fitting.toSorted((a, b) => a.capacity - b.capacity);
    const { offset, capacity } = best ?? { offset: this.#end, capacity: bytes };
    if (best) this.#idle = this.#idle.filter((idle) => idle !== best);
    else this.#end += stampBytes + bytes;
    this.#used.set(offset, capacity);
    return offset;
  }

  #writeStamp(offset: number, stamp: number): void {
    writeAll(this.fd, Float64Array.of(stamp), offset);
  }
}

/**
 * Reads a region of a file that another process writes.
 * @returns a copy, owned by the caller
 * @throws {PlacementError} when the region is not, or does not stay, what was meant
 */
export function readRegion(fd: number, { offset, bytes, stamp }: Region): Uint8Array {
  const content = new Uint8Array(bytes);
  const isWhole =
    readStamp(fd, offset) === stamp &&
    readAll(fd, content, offset + stampBytes) === bytes &&
    readStamp(fd, offset) === stamp;
  if (isWhole) return content;
  throw new PlacementError(
    `Scoring elsewhere: expected ${bytes} bytes of shared memory stamped ${stamp}, got others: they were written anew while being read. Report this as a bug.`,
    { offset, bytes, stamp },
  );
}

function readStamp(fd: number, offset: number): number {
  const stamp = new Float64Array(1);
  return readAll(fd, stamp, offset) === stampBytes ? stamp[0]! : unfinished;
}

function openUnnamed(room: number): number {
  const folders = ['/dev/shm', tmpdir()];
  for (const folder of folders)
    try {
      const { bavail, bsize } = statfsSync(folder);
      if (bavail * bsize < room && folder !== folders.at(-1)) continue;
      const path = join(folder, `taustream-${process.pid}-${randomUUID()}`);
      const OWNER_ONLY = 0o600;
      const fd = openSync(path, 'wx+', OWNER_ONLY);
      unlinkSync(path);
      return fd;
    } catch (cause) {
      if (folder !== folders.at(-1)) continue;
      throw new PlacementError(
        `Scoring elsewhere: expected a folder for shared memory, /dev/shm or ${tmpdir()}, but neither can be written. Set TMPDIR, or score inline.`,
        { folders },
        { cause },
      );
    }
  return -1; // never: the last folder gives a file or an error
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => new Uint8Array(buffer, byteOffset, byteLength);

/** @returns bytes written: all of them */
function writeAll(fd: number, part: ArrayBufferView, position: number): number {
  const bytes = bytesOf(part);
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  return done;
}

/** @returns bytes read: fewer where the file ends */
function readAll(fd: number, part: ArrayBufferView, position: number): number {
  const bytes = bytesOf(part);
  let done = 0;
  while (done < bytes.length) {
    const got = readSync(fd, bytes, done, bytes.length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}
