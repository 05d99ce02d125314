import StreamZip from 'node-stream-zip';
import { shardError } from './shard-access.ts';

/** An entry that grows beyond this, or by more than this factor, is taken for a bomb. */
const MOST_ENTRY_BYTES = 2 ** 28;
const MOST_RATIO = 1000;
const SMALL_BYTES = 2 ** 20;
/** How long an archive stays open after its last reader. */
const IDLE_MS = 1000;

/** A file in an archive. */
export interface ZipEntry {
  readonly path: string;
  readonly bytes: number;
}

type Archive = InstanceType<(typeof StreamZip)['async']>;
interface Held {
  readonly archive: Archive;
  users: number;
  idle: NodeJS.Timeout | undefined;
}

const open = new Map<string, Held>();

/**
 * Uses an archive that stays open as long as anybody does, and a second more: its directory is read once. Names that are
 * absolute or lead out of the archive are refused by node-stream-zip.
 */
export async function withZip<Result>(
  path: string,
  shard: string,
  work: (zip: Zip) => Promise<Result>,
): Promise<Result> {
  const held = open.get(path) ?? { archive: new StreamZip.async({ file: path }), users: 0, idle: undefined };
  open.set(path, held);
  clearTimeout(held.idle);
  held.users += 1;
  try {
    return await work(new Zip(held.archive, shard));
  } finally {
    held.users -= 1;
    if (held.users === 0) held.idle = setTimeout(() => close(path, held), IDLE_MS).unref();
  }
}

/** Closes an archive that nobody uses: before its file is moved or replaced. */
function close(path: string, held: Held): void {
  if (held.users > 0 || open.get(path) !== held) return;
  open.delete(path);
  held.archive.close().catch(() => {}); // it was never opened: its reader was told
}

/** An open archive. */
export class Zip {
  readonly #archive: Archive;
  readonly #shard: string;

  constructor(archive: Archive, shard: string) {
    this.#archive = archive;
    this.#shard = shard;
  }

  /** The files, by name. */
  async entries(): Promise<ZipEntry[]> {
    const all = await this.#guard('a zip archive', undefined, this.#archive.entries());
    return Object.values(all)
      .filter((entry) => !entry.isDirectory)
      .map(({ name, size }) => ({ path: name, bytes: size }))
      .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** Unpacks a file and checks its CRC. @throws {ShardError} when it is damaged, encrypted, or a bomb */
  async read(path: string): Promise<Buffer> {
    const entry = await this.#guard('a zip archive', path, this.#archive.entry(path));
    if (!entry) throw shardError(this.#shard, 0, `a file \`${path}\``, 'none', { id: this.#id(path) });
    const { size, compressedSize, encrypted } = entry;
    const ratio = size / Math.max(1, compressedSize);
    if (encrypted) throw this.#bad(path, 'a file that is not encrypted', 'an encrypted one');
    if (size > MOST_ENTRY_BYTES || (size > SMALL_BYTES && ratio > MOST_RATIO))
      throw this.#bad(
        path,
        `at most ${MOST_ENTRY_BYTES} bytes and ${MOST_RATIO} times what is packed`,
        `${size} from ${compressedSize}`,
      );
    return this.#guard('a file with its CRC', path, this.#unpack(path, size));
  }

  async #unpack(path: string, size: number): Promise<Buffer> {
    const stream = await this.#archive.stream(path);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > size) throw this.#bad(path, `${size} bytes, as the archive says`, 'more');
      chunks.push(chunk);
    }
    if (bytes !== size) throw this.#bad(path, `${size} bytes, as the archive says`, `${bytes}`);
    return Buffer.concat(chunks);
  }

  async #guard<Value>(expected: string, path: string | undefined, work: Promise<Value>): Promise<Value> {
    try {
      return await work;
    } catch (cause) {
      if (cause instanceof Error && 'facts' in cause) throw cause;
      const got = cause instanceof Error ? cause.message : String(cause);
      throw shardError(
        this.#shard,
        0,
        expected,
        path === undefined ? got : `${got} in \`${path}\``,
        path === undefined ? {} : { id: this.#id(path) },
        cause,
      );
    }
  }

  #bad(path: string, expected: string, got: string) {
    return shardError(this.#shard, 0, expected, `${got} in \`${path}\``, { id: this.#id(path) });
  }

  #id(path: string): string {
    return `${this.#shard}:${path}`;
  }
}
