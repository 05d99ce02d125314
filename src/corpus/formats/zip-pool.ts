import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import StreamZip from 'node-stream-zip';
import { messageOf } from '../../errors.ts';
import type { ByteSource, OpenBytes } from '../byte-source.ts';
import { crc32Of } from '../crc32.ts';
import { shardError } from './shard-access.ts';

const inflate = promisify(inflateRaw);

/** A file that is larger than this, or that grows by more than this factor, is taken for a bomb. */
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
type Entry = StreamZip.ZipEntry;

/** An archive, its directory read by node-stream-zip, its files by us. */
interface Opened {
  readonly archive: Archive;
  readonly bytes: OpenBytes;
}

interface Held {
  readonly opened: Promise<Opened>;
  users: number;
  idle: NodeJS.Timeout | undefined;
}

/** By place and content, so that a file which was replaced meanwhile is never taken for the one that was listed. */
const open = new Map<string, Held>();

/**
 * Uses an archive that stays open as long as anybody does, and a second more: its directory is read once. Names that are
 * absolute or lead out of the archive are refused by node-stream-zip.
 *
 * @throws {ShardError} when the file is another than it was when the source was made
 */
export async function withZip<Result>(
  source: ByteSource & { readonly path: string },
  work: (zip: Zip) => Promise<Result>,
): Promise<Result> {
  const key = source.state ?? source.path;
  const held = open.get(key) ?? { opened: openArchive(source), users: 0, idle: undefined };
  open.set(key, held);
  clearTimeout(held.idle);
  held.users += 1;
  try {
    return await work(new Zip(source, await held.opened));
  } finally {
    held.users -= 1;
    if (held.users === 0) held.idle = setTimeout(() => close(key, held), IDLE_MS).unref();
  }
}

async function openArchive(source: ByteSource & { readonly path: string }): Promise<Opened> {
  const bytes = await source.open(); // checks that it is still the file that it was
  return { bytes, archive: new StreamZip.async({ file: source.path }) };
}

/** Closes an archive that nobody uses: before its file is moved or replaced. */
function close(key: string, held: Held): void {
  if (held.users > 0 || open.get(key) !== held) return;
  open.delete(key);
  const closing = held.opened.then(({ archive, bytes }) => Promise.allSettled([archive.close(), bytes.close()]));
  closing.catch(() => {}); // it was never opened: its reader was told
}

/** Bytes of a local header before the name, and room for what may stand between the name and the data. */
const LOCAL_BYTES = 30;
const EXTRA_BYTES = 64;
const STORED = 0;
const DEFLATED = 8;

/** An open archive. */
export class Zip {
  readonly #archive: Archive;
  readonly #bytes: OpenBytes;
  readonly #size: number;
  readonly #shard: string;

  constructor(source: ByteSource, { archive, bytes }: Opened) {
    this.#archive = archive;
    this.#bytes = bytes;
    this.#size = source.bytes;
    this.#shard = source.name;
  }

  /** The files, by name. @throws {ShardError} when the directory is damaged, or names a file twice */
  async entries(): Promise<ZipEntry[]> {
    const all = Object.values(await this.#guard('a zip archive', undefined, this.#archive.entries()));
    const count = await this.#archive.entriesCount;
    if (all.length !== count)
      throw shardError(this.#shard, 0, `${count} files, each under a name of its own`, `${all.length} names`);
    return all
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
    if (Math.max(size, compressedSize) > MOST_ENTRY_BYTES || (size > SMALL_BYTES && ratio > MOST_RATIO))
      throw this.#bad(
        path,
        `at most ${MOST_ENTRY_BYTES} bytes and ${MOST_RATIO} times what is packed`,
        `${size} from ${compressedSize}`,
      );
    return this.#guard('a file with its CRC', path, this.#unpack(path, entry));
  }

  async #unpack(path: string, { method, size, crc, ...entry }: Entry): Promise<Buffer> {
    const packed = await this.#packed(path, entry);
    if (method !== STORED && method !== DEFLATED)
      throw this.#bad(path, 'a file that is stored or deflated', `method ${method}`);
    const content = method === STORED ? packed : await inflate(packed, { maxOutputLength: Math.max(1, size) });
    if (content.length !== size) throw this.#bad(path, `${size} bytes, as the archive says`, `${content.length}`);
    if (crc32Of(content) !== crc) throw this.#bad(path, `a CRC of ${hex(crc)}`, hex(crc32Of(content)));
    return content;
  }

  /** The file's bytes as they lie in the archive: as a rule one read. */
  async #packed(path: string, { offset, compressedSize }: Pick<Entry, 'offset' | 'compressedSize'>): Promise<Buffer> {
    const guess = offset + LOCAL_BYTES + Buffer.byteLength(path) + EXTRA_BYTES + compressedSize;
    const read = await this.#range(path, offset, Math.min(guess, this.#size));
    if (read.length < LOCAL_BYTES || read.toString('latin1', 0, 4) !== 'PK\x03\x04')
      throw this.#bad(path, `a local header at byte ${offset}`, 'something else');
    const start = LOCAL_BYTES + read.readUInt16LE(26) + read.readUInt16LE(28);
    if (start + compressedSize <= read.length) return read.subarray(start, start + compressedSize);
    return this.#range(path, offset + start, offset + start + compressedSize);
  }

  async #range(path: string, from: number, to: number): Promise<Buffer> {
    if (to > this.#size || from > to) throw this.#bad(path, `${to} bytes in the archive`, `${this.#size}`);
    const bytes = await this.#bytes.read(from, to);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async #guard<Value>(expected: string, path: string | undefined, work: Promise<Value>): Promise<Value> {
    try {
      return await work;
    } catch (cause) {
      if (cause instanceof Error && 'facts' in cause) throw cause;
      const got = messageOf(cause);
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

const hex = (value: number) => value.toString(16).padStart(8, '0');
