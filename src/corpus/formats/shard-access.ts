import { ShardError } from '../../errors.ts';
import type { ByteSource, OpenBytes } from '../byte-source.ts';

/** What is wrong with a shard, and where. */
export const shardError = (
  shard: string,
  offset: number,
  expected: string,
  got: string,
  facts: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): ShardError =>
  new ShardError(
    `Shard \`${shard}\` at byte ${offset}: expected ${expected}, got ${got}. The file is damaged or of another format: fetch or write it again.`,
    { shard, offset, expected, got, ...facts },
    { cause },
  );

/**
 * Reads bytes `[from, to)` of a source. Readers of one signal at one time share one open file, which is closed after the
 * last of them: a pool of blocks opens each file once.
 */
export async function readRange(source: ByteSource, from: number, to: number, signal?: AbortSignal): Promise<Buffer> {
  if (to > source.bytes) throw shardError(source.name, source.bytes, `${to} bytes`, 'the end of the file');
  const alike = open.get(source) ?? new Map<AbortSignal | undefined, Held>();
  const held = alike.get(signal) ?? { reader: source.open(signal), users: 0 };
  open.set(source, alike.set(signal, held));
  held.users += 1;
  try {
    const bytes = await (await held.reader).read(from, to);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } finally {
    held.users -= 1;
    if (held.users === 0) await close(source, signal, held);
  }
}

interface Held {
  readonly reader: Promise<OpenBytes>;
  users: number;
}

const open = new Map<ByteSource, Map<AbortSignal | undefined, Held>>();

async function close(source: ByteSource, signal: AbortSignal | undefined, { reader }: Held): Promise<void> {
  const alike = open.get(source);
  alike?.delete(signal);
  if (alike?.size === 0) open.delete(source);
  const opened = await reader.catch(() => undefined); // its readers were told why it could not be opened
  await opened?.close();
}
