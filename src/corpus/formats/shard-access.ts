import { ShardError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';

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

/** Reads bytes `[from, to)` of a source that is opened for this alone. */
export async function readRange(source: ByteSource, from: number, to: number): Promise<Buffer> {
  if (to > source.bytes) throw shardError(source.name, source.bytes, `${to} bytes`, 'the end of the file');
  const reader = await source.open();
  try {
    const bytes = await reader.read(from, to);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } finally {
    await reader.close();
  }
}
