import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { CorpusError, ShardError, messageOf } from '../errors.ts';

/** Bytes that can be read from anywhere: a file, or a text in memory. */
export interface ByteSource {
  /** Names the shard in sample ids and messages. */
  readonly name: string;
  readonly bytes: number;
  /** Where it lies, when it is a file on this machine that is read as it is. */
  readonly path?: string;
  /** Names its place and content: another state, another content. */
  readonly state?: string;
  /** @param signal ends reads that may take long: those over the network */
  open(signal?: AbortSignal): Promise<OpenBytes>;
}

export interface OpenBytes {
  /** Reads bytes `[from, to)`. @param into room for them, to be used again and again; fresh memory without it */
  read(from: number, to: number, into?: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A text that lies in memory. */
export function memorySource(name: string, text: string): ByteSource {
  if (/\p{Surrogate}/u.test(text))
    // would become U+FFFD without a word
    throw new CorpusError(
      `textCorpus(): \`text\` was expected to be well-formed, got half of a surrogate pair at unit ${text.search(/\p{Surrogate}/u)}. ` +
        'Cut strings between characters, not inside them.',
    );
  const bytes = new TextEncoder().encode(text);
  const reader = { read: async (from: number, to: number) => bytes.subarray(from, to), close: async () => {} };
  return { name, bytes: bytes.length, open: async () => reader };
}

/** Endings of files that are read unpacked, after the ending that says what they hold. */
export const PACKED_NAME = /\.(gz|zst)$/i;

/** The file at `path`, or the text files below it when it is a folder, by name: those whose path below it holds `include`. */
export async function fileSources(path: string, extensions: readonly string[], include = ''): Promise<ByteSource[]> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new CorpusError(
      `textCorpus(): expected a file or folder at \`${path}\`, got ${messageOf(cause)}. Check the path.`,
      { path },
      { cause },
    );
  });
  if (!found.isDirectory() && basename(path).includes(include)) return [await fileSource(path, basename(path))];
  const entries = found.isDirectory() ? await readdir(path, { recursive: true, withFileTypes: true }) : [];
  const files = entries
    .filter(
      (entry) =>
        !entry.isDirectory() && extensions.includes(extname(entry.name.replace(PACKED_NAME, '')).toLowerCase()),
    )
    .map((entry) => relative(path, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((name) => !name.split('/').some((piece) => piece.startsWith('.'))) // hidden: not meant as data
    .filter((name) => name.includes(include))
    .toSorted((a, b) => (a < b ? -1 : 1)); // by code units: the same everywhere, whatever the locale
  if (files.length === 0)
    throw new CorpusError(
      `textCorpus(): expected text files (${extensions.join(', ')}) in \`${path}\`${include && ` whose path holds \`${include}\``}, got none among ${entries.length} entries. ` +
        'Check the path, or name other `extensions`.',
      { path, extensions, include },
    );
  return Promise.all(files.map((name) => fileSource(join(path, name), name)));
}

export async function fileSource(path: string, name: string): Promise<ByteSource> {
  const { size, mtimeMs } = await stat(path).catch((cause: unknown) => unreadable(name, cause));
  return {
    name,
    bytes: size,
    path,
    state: `${resolve(path)} ${size} ${mtimeMs}`,
    async open() {
      const handle = await open(path, 'r').catch((cause: unknown) => unreadable(name, cause));
      try {
        const now = await handle.stat();
        if (now.size !== size || now.mtimeMs !== mtimeMs)
          throw new ShardError(
            `Text \`${name}\` at byte 0: expected the file as it was opened (${size} bytes), got another (${now.size} bytes, changed ${now.mtime.toISOString()}). ` +
              'Leave a corpus alone while it is read, or open it again.',
            { shard: name, offset: 0, expected: size, got: now.size },
          );
      } catch (error) {
        await handle.close();
        throw error;
      }
      return { read: (from, to, into) => readFully(handle, name, from, to, into), close: () => handle.close() };
    },
  };
}

function unreadable(name: string, cause: unknown): never {
  const got = messageOf(cause);
  throw new ShardError(
    `Text \`${name}\` at byte 0: expected a file that can be read, got ${got}. Check that it is there, and its permissions.`,
    { shard: name, offset: 0, expected: 'a file', got },
    { cause },
  );
}

/** Bytes asked for at a time: Node ends the process, without an error, when it is asked for 2 GiB or more. */
const MOST_READ_BYTES = 2 ** 30;

/**
 * Reads bytes `[from, to)` of a file.
 * @throws {ShardError} when the file ends before
 */
export async function readFully(
  handle: Pick<FileHandle, 'read'>,
  shard: string,
  from: number,
  to: number,
  into: Uint8Array = Buffer.allocUnsafeSlow(to - from), // not pooled: it may live as long as a shuffle buffer
): Promise<Buffer> {
  const buffer = Buffer.from(into.buffer, into.byteOffset, to - from);
  let filled = 0;
  while (filled < buffer.length) {
    const wanted = Math.min(MOST_READ_BYTES, buffer.length - filled);
    const { bytesRead } = await handle.read(buffer, filled, wanted, from + filled);
    if (bytesRead === 0)
      throw new ShardError(
        `Shard \`${shard}\` at byte ${from + filled}: expected ${buffer.length - filled} more bytes, got the end of the file. ` +
          'The file was cut short: fetch or write it again.',
        { shard, offset: from + filled, expected: to, got: from + filled },
      );
    filled += bytesRead;
  }
  return buffer;
}
