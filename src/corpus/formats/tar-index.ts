import type { ByteSource, OpenBytes } from '../byte-source.ts';
import { shardError } from './shard-access.ts';

const BLOCK = 512;
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
 * @throws {ShardError} when a header's checksum is wrong, a name leads out of the archive, or the archive is cut short
 */
export async function tarMembers(source: ByteSource, signal?: AbortSignal): Promise<TarMember[]> {
  const reader = await source.open(signal);
  const window = new Window(source, reader);
  const members: TarMember[] = [];
  let longName: string | undefined;
  let at = 0;
  let hasEnded = false;
  try {
    while (at + BLOCK <= source.bytes) {
      signal?.throwIfAborted();
      const header = await window.read(at, at + BLOCK);
      hasEnded = header.every((byte) => byte === 0);
      if (hasEnded) break;
      checkHeader(source.name, at, header);
      const bytes = sizeOf(source.name, at, header);
      const type = String.fromCharCode(header[156]!);
      const data = at + BLOCK;
      const next = data + Math.ceil(bytes / BLOCK) * BLOCK;
      if (data + bytes > source.bytes)
        throw shardError(source.name, at, `${bytes} bytes of data`, `${source.bytes - data}`);
      if (type === 'L' || type === 'x') {
        if (bytes > MOST_HEADER_BYTES)
          throw shardError(source.name, at, `a header of at most ${MOST_HEADER_BYTES} bytes`, `${bytes}`);
        longName = nameIn(type, await window.read(data, data + bytes)) ?? longName;
      } else {
        const path = longName ?? ownName(header);
        longName = undefined;
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

/** Octal digits, or base 256 where the highest bit is set. */
function sizeOf(shard: string, at: number, header: Buffer): number {
  const field = header.subarray(124, 136);
  const size =
    field[0]! & 0x80
      ? field.subarray(4).reduce((value, byte) => value * 256 + byte, 0)
      : Number.parseInt(field.toString('latin1').replaceAll('\0', ' ').trim() || '0', 8);
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw shardError(shard, at + 124, 'the size of a file', JSON.stringify(field.toString('latin1')));
}

const until0 = (bytes: Buffer) => bytes.toString('utf8').split('\0', 1)[0]!;

function ownName(header: Buffer): string {
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? until0(header.subarray(345, 500)) : '';
  const name = until0(header.subarray(0, 100));
  return prefix ? `${prefix}/${name}` : name;
}

function nameIn(type: string, data: Buffer): string | undefined {
  if (type === 'L') return until0(data);
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(data.toString('utf8'))?.[1];
}

function expectInside(shard: string, at: number, path: string): string {
  if (!path.startsWith('/') && !path.split(/[/\\]/).includes('..')) return path.replace(/^\.\//, '');
  throw shardError(shard, at, 'names inside the archive', JSON.stringify(path));
}
