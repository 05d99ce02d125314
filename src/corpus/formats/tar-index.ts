import type { ByteSource, OpenBytes } from '../byte-source.ts';
import { shardError } from './shard-access.ts';

const BLOCK = 512;
const NEWLINE = 10;
const CHUNK_BYTES = 2 ** 16;
/** A member's pax header or long name that is larger than this is no such thing. */
const MOST_HEADER_BYTES = 2 ** 20;

/** A file in a tar archive. */
export interface TarMember {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Lists the files of a tar archive (ustar, GNU long names, pax) with where each lies, which `tar-stream` does not tell:
 * it reads from front to end. Only headers are read.
 *
 * @throws {ShardError} when a header's checksum is wrong, a name leads out of the archive, a file lies there in pieces
 * (sparse), or the archive is cut short
 */
export async function tarMembers(source: ByteSource, signal?: AbortSignal): Promise<TarMember[]> {
  const reader = await source.open(signal);
  const window = new Window(source, reader);
  const members: TarMember[] = [];
  const everywhere: Records = new Map();
  let own: Records = new Map();
  let at = 0;
  let hasEnded = false;
  try {
    while (at + BLOCK <= source.bytes) {
      signal?.throwIfAborted();
      const header = await window.read(at, at + BLOCK);
      hasEnded = header.every((byte) => byte === 0);
      if (hasEnded) break;
      checkHeader(source.name, at, header);
      const type = String.fromCharCode(header[156]!);
      const told = new Map([...everywhere, ...own]);
      const bytes = META.has(type) ? ownSize(source.name, at, header) : sizeOf(source.name, at, header, told);
      const data = at + BLOCK;
      const next = data + Math.ceil(bytes / BLOCK) * BLOCK;
      if (data + bytes > source.bytes)
        throw shardError(source.name, at, `${bytes} bytes of data`, `${source.bytes - data}`);
      if (META.has(type)) {
        if (bytes > MOST_HEADER_BYTES)
          throw shardError(source.name, at, `a header of at most ${MOST_HEADER_BYTES} bytes`, `${bytes}`);
        const found = recordsIn(source.name, data, type, await window.read(data, data + bytes));
        for (const [key, value] of found) (type === 'g' ? everywhere : own).set(key, value);
      } else {
        const path = told.get('path') || ownName(header);
        own = new Map();
        if (type === 'S' || [...told.keys()].some((key) => key.startsWith('GNU.sparse.')))
          throw shardError(source.name, at, 'files that are stored whole', `\`${path}\`, a sparse one`);
        if (type === '0' || type === '\0' || type === '7')
          members.push({ path: expectInside(source.name, at, path), offset: data, bytes });
      }
      at = next;
    }
    if (!hasEnded && at < source.bytes) throw shardError(source.name, at, 'a tar header', `${source.bytes - at} bytes`);
    return members;
  } finally {
    await reader.close();
  }
}

/** Reads with a window, so that headers that lie close together take one read. */
class Window {
  readonly #source: ByteSource;
  readonly #reader: OpenBytes;
  #held: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(source: ByteSource, reader: OpenBytes) {
    this.#source = source;
    this.#reader = reader;
  }

  async read(from: number, to: number): Promise<Buffer> {
    if (from < this.#start || to > this.#start + this.#held.length) {
      const bytes = await this.#reader.read(from, Math.min(this.#source.bytes, Math.max(to, from + CHUNK_BYTES)));
      this.#held = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#start = from;
    }
    return this.#held.subarray(from - this.#start, to - this.#start);
  }
}

/** Whether a block is a tar header: its checksum is the sum of its bytes, with the checksum itself as spaces. */
export function isTarHeader(header: Buffer): boolean {
  if (header.length < BLOCK) return false;
  const stored = Number.parseInt(header.toString('latin1', 148, 156), 8);
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : header[i]!;
  return sum === stored;
}

function checkHeader(shard: string, at: number, header: Buffer): void {
  if (!isTarHeader(header)) throw shardError(shard, at, 'a tar header with its checksum', 'another block');
}

/** What pax records say of a file instead of its header, which has no room for it. */
type Records = Map<string, string>;

/** Kinds of headers that tell of the next one: GNU's long name and long link, pax's records, and those of all that follow. */
const META: ReadonlySet<string> = new Set(['L', 'K', 'x', 'g']);

function sizeOf(shard: string, at: number, header: Buffer, told: Records): number {
  const size = told.get('size');
  if (!size) return ownSize(shard, at, header);
  if (/^\d+$/.test(size) && Number.isSafeInteger(Number(size))) return Number(size);
  throw shardError(shard, at, 'the size of a file in its pax records', JSON.stringify(size));
}

/** Octal digits, or base 256 where the highest bit is set. */
function ownSize(shard: string, at: number, header: Buffer): number {
  const field = header.subarray(124, 136);
  const size =
    field[0]! & 0x80
      ? field.subarray(1).reduce((value, byte) => value * 256 + byte, field[0]! & 0x7f)
      : Number.parseInt(field.toString('latin1').replaceAll('\0', ' ').trim() || '0', 8);
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw shardError(shard, at + 124, 'the size of a file', JSON.stringify(field.toString('latin1')));
}

const until0 = (bytes: Buffer) => bytes.toString('utf8').split('\0', 1)[0]!;

/** GNU's own format, whose mark ends with a space, has other things where POSIX has the beginning of the name. */
function ownName(header: Buffer): string {
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? until0(header.subarray(345, 500)) : '';
  const name = until0(header.subarray(0, 100));
  return prefix ? `${prefix}/${name}` : name;
}

/** Each record of pax is `length key=value` and a line break; the length is that of all of it, in bytes and decimal. */
function recordsIn(shard: string, offset: number, type: string, data: Buffer): Records {
  if (type === 'L') return new Map([['path', until0(data)]]);
  const records: Records = new Map();
  if (type === 'K') return records;
  for (let at = 0; at < data.length;) {
    const space = data.indexOf(' ', at);
    const length = Number(data.toString('latin1', at, Math.max(at, space)));
    const equals = data.indexOf('=', space);
    const end = at + length - 1;
    if (space < 0 || equals < 0 || equals > end || data[end] !== NEWLINE)
      throw shardError(shard, offset + at, 'a pax record', JSON.stringify(data.toString('latin1', at, at + 40)));
    records.set(data.toString('utf8', space + 1, equals), data.toString('utf8', equals + 1, end));
    at = end + 1;
  }
  return records;
}

function expectInside(shard: string, at: number, path: string): string {
  if (!path.startsWith('/') && !path.split(/[/\\]/).includes('..')) return path.replace(/^\.\//, '');
  throw shardError(shard, at, 'names inside the archive', JSON.stringify(path));
}
