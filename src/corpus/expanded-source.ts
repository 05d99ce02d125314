import { createReadStream, createWriteStream } from 'node:fs';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { CorpusError, ShardError, messageOf } from '../errors.ts';
import { PACKED_NAME, readFully, type ByteSource, type OpenBytes } from './byte-source.ts';
import { DiskCache } from './disk-cache.ts';
import { MemoryCache } from './memory-cache.ts';

/** Packed files up to this size are expanded in memory, larger ones on the disk. */
const SMALL_BYTES = 2 ** 20;
const MEMORY_BYTES = 64 * 2 ** 20;
/** What grows beyond both of these is taken for a bomb. */
const BOMB_BYTES = 256 * 2 ** 20;
const BOMB_RATIO = 200;

const small = new MemoryCache<Uint8Array>(MEMORY_BYTES, (bytes) => bytes.byteLength);

/** Whether a file's name says that it is packed. */
export const isPacked = (name: string): boolean => PACKED_NAME.test(name);

/** A source as it is to be read: unpacked, if it is packed. */
export const unpacked = async (source: ByteSource): Promise<ByteSource> =>
  isPacked(source.name) && source.path !== undefined ? expandedSource({ ...source, path: source.path }) : source;

/**
 * The content of a gzip or zstd file as if it lay there unpacked, to be read from anywhere. Neither format can be entered
 * in the middle, so it is unpacked once: a small file in memory, a large one into the user's cache folder.
 *
 * @throws {ShardError} when it is damaged, cut short, or a bomb
 * @throws {CorpusError} when it is zstd and this Node has none (22.15 has)
 */
export async function expandedSource(packed: ByteSource & { readonly path: string }): Promise<ByteSource> {
  const name = packed.name.replace(PACKED_NAME, '');
  const key = `expanded ${packed.state ?? packed.path}`;
  const common = { name, ...(packed.state !== undefined && { state: key }) };
  if (packed.bytes <= SMALL_BYTES) {
    const lease = () => small.lease(key, () => expandInMemory(packed));
    using held = await lease();
    return { ...common, bytes: held.value.byteLength, open: async () => leased(await lease()) };
  }
  const cache = new DiskCache('expanded');
  const open = () => cache.open(key, (path) => expandTo(packed, path));
  const first = await open();
  const { size } = await first.stat();
  await first.close();
  return {
    ...common,
    bytes: size,
    async open() {
      const handle = await open();
      return { read: (from, to, into) => readFully(handle, name, from, to, into), close: () => handle.close() };
    },
  };
}

function leased(lease: { readonly value: Uint8Array } & Disposable): OpenBytes {
  return {
    read: async (from, to, into) => {
      const bytes = lease.value.subarray(from, to);
      if (!into) return bytes.slice(); // not a view: it would keep all of the file
      into.set(bytes);
      return into.subarray(0, bytes.length);
    },
    close: async () => lease[Symbol.dispose](),
  };
}

async function expandInMemory(packed: ByteSource & { readonly path: string }): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  await expand(packed, async (contents) => {
    for await (const chunk of contents) chunks.push(chunk);
  });
  return Buffer.concat(chunks);
}

const expandTo = (packed: ByteSource & { readonly path: string }, path: string) =>
  expand(packed, (contents) => pipeline(contents, createWriteStream(path, { flags: 'wx' })));

async function expand(
  packed: ByteSource & { readonly path: string },
  consume: (contents: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  let bytes = 0;
  let bomb: ShardError | undefined; // kept, because `pipeline` tells an abort instead
  async function* counted(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      bytes += chunk.byteLength;
      if (bytes > BOMB_BYTES && bytes > BOMB_RATIO * packed.bytes)
        throw (bomb = bad(packed, `at most ${BOMB_RATIO} times the packed ${packed.bytes} bytes`, `${bytes} and more`));
      yield chunk;
    }
  }
  try {
    await pipeline(createReadStream(packed.path), decompressor(packed), (chunks: AsyncIterable<Uint8Array>) =>
      consume(counted(chunks)),
    );
  } catch (cause) {
    if (bomb) throw bomb;
    if (cause instanceof Error && 'facts' in cause) throw cause;
    throw bad(packed, 'a whole packed file', messageOf(cause), cause);
  }
}

function decompressor({ name }: ByteSource): Transform {
  if (/\.gz$/i.test(name)) return zlib.createGunzip();
  const create = 'createZstdDecompress' in zlib ? (zlib.createZstdDecompress as () => Transform) : undefined; // newer than the types
  if (create) return create();
  throw new CorpusError(
    `\`${name}\`: expected a Node with zstd (22.15 or later), got ${process.version}. Use gzip, or a later Node.`,
    { name },
  );
}

const bad = ({ name }: ByteSource, expected: string, got: string, cause?: unknown) =>
  new ShardError(
    `Shard \`${name}\` at byte 0: expected ${expected}, got ${got}. The file is damaged: fetch or write it again.`,
    { shard: name, offset: 0, expected, got },
    { cause },
  );
