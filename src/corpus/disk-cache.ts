import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, utimes, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { CorpusError } from '../errors.ts';
import { temporaryName } from '../atomic-file.ts';
import { cacheFolder } from './data-folder.ts';
import { isMissing } from '../is-missing.ts';
import { sharedWork, type SharedWork } from './shared-work.ts';

/** Bytes that a cache may take on the disk. @default 20 GiB – guess */
export const DEFAULT_DISK_BYTES = 20 * 2 ** 30;
/**
 * Share of the limit that a process writes before it looks again at what lies in the folder, and by which it stays under the
 * limit when it makes room: so a folder of n files is listed once for n / 16 that are written. @default guess
 */
const SLACK = 1 / 16;
/** A leftover of a process that died is older than this; a living one writes on. */
const STALE_MS = 24 * 3600 * 1000;

/** What this process knows of a folder, whichever cache of it asks. */
interface FolderState {
  /** By path. */
  readonly making: Map<string, SharedWork<string>>;
  /** Bytes written since the folder was listed; `Infinity` before it ever was. */
  unlistedBytes: number;
}

const folders = new Map<string, FolderState>();

/** Writes a file of a cache. */
type Make = (path: string, signal: AbortSignal) => Promise<void>;

/**
 * Files that can be made again, under a limit in bytes, for any number of processes at once; each may have written a
 * sixteenth of it more before it sees what the others wrote. A file appears whole or not at all; the one that was used
 * longest ago goes first. One that goes while it is read stays readable for its reader, and
 * is made again for the next.
 */
export class DiskCache {
  readonly folder: string;
  readonly #maxBytes: number;
  readonly #state: FolderState;

  constructor(name: string, maxBytes = DEFAULT_DISK_BYTES, folder = cacheFolder(process.platform, process.env)) {
    this.folder = join(folder, name);
    this.#maxBytes = maxBytes;
    this.#state = folders.get(this.folder) ?? { making: new Map(), unlistedBytes: Infinity };
    folders.set(this.folder, this.#state);
  }

  /**
   * Opens the file of a key; makes it first if it is not there.
   * @param make writes the file at the path it is handed; others may wait for it, too: its signal aborts when nobody does
   * @param signal ends the waiting
   * @returns owned by the caller: to be closed
   */
  async open(key: string, make: Make, signal?: AbortSignal): Promise<FileHandle> {
    for (let attempt = 0; attempt < 5; attempt++) {
      const path = await this.path(key, make, signal);
      try {
        return await open(path, 'r');
      } catch (error) {
        if (!isMissing(error)) throw error; // else: evicted by another process in between
      }
    }
    throw new CorpusError(
      `${this.folder}: expected room for one more file, got none in 5 attempts. Raise the cache's limit.`,
      {
        folder: this.folder,
      },
    );
  }

  /** The path of a key's file, which is made if it is not there. It may be evicted at any time. */
  async path(key: string, make: Make, signal?: AbortSignal): Promise<string> {
    const path = join(this.folder, createHash('sha256').update(key).digest('hex').slice(0, 40));
    const now = new Date();
    if (
      await utimes(path, now, now).then(
        () => true,
        () => false,
      )
    )
      return path;
    const { making } = this.#state;
    const own = sharedWork(making, path, (alive) =>
      this.#make(path, make, alive).finally(() => {
        if (making.get(path) === own) making.delete(path); // else it was abandoned, and is made anew
      }),
    );
    return own.result(signal);
  }

  async #make(path: string, make: Make, alive: AbortSignal): Promise<string> {
    await mkdir(this.folder, { recursive: true });
    const temporary = temporaryName(path);
    try {
      await make(temporary, alive);
      this.#state.unlistedBytes += (await stat(temporary)).size;
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    if (this.#state.unlistedBytes > SLACK * this.#maxBytes) await this.#makeRoom(path);
    return path;
  }

  /** Where the limit is passed, removes what was used longest ago until there is some slack; never what was just made. */
  async #makeRoom(kept: string): Promise<void> {
    this.#state.unlistedBytes = 0;
    const files: { path: string; bytes: number; usedMs: number }[] = [];
    for (const name of await readdir(this.folder)) {
      const path = join(this.folder, name);
      const found = await stat(path).catch(() => undefined); // another process may have removed it
      if (!found?.isFile()) continue;
      if (!name.endsWith('.tmp')) files.push({ path, bytes: found.size, usedMs: found.mtimeMs });
      else if (Date.now() - found.mtimeMs > STALE_MS) await rm(path, { force: true });
    }
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total <= this.#maxBytes) return;
    for (const { path, bytes } of files.toSorted((a, b) => a.usedMs - b.usedMs)) {
      if (total <= (1 - SLACK) * this.#maxBytes) return;
      if (path === kept) continue;
      await rm(path, { force: true });
      total -= bytes;
    }
  }
}
