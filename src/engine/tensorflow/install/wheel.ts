import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import StreamZip from 'node-stream-zip';
import { EngineError, messageOf } from '../../../errors.ts';
import type { FileRecord } from './manifest.ts';

/** A wheel: a zip archive with a list of its files' digests. */
export interface Wheel {
  readonly file: string;
  readonly version: string;
  /** Entries' names and sizes. */
  readonly entries: ReadonlyMap<string, number>;
  /** The wheel's `Requires-Dist` lines. */
  readonly requirements: readonly string[];
  /** Unpacks an entry and checks its digest; returns what was written. */
  unpack(entry: string, target: string, options?: UnpackOptions): Promise<FileRecord>;
  close(): Promise<void>;
}

export interface UnpackOptions {
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a wheel.
 *
 * @throws {EngineError} when the file is no wheel, or was cut short
 */
export async function openWheel(file: string): Promise<Wheel> {
  const zip = new StreamZip.async({ file, storeEntries: true });
  try {
    const entries = await zip.entries();
    const infoOf = async (name: string) => {
      const entry = Object.keys(entries).find((path) => path.endsWith(`.dist-info/${name}`));
      if (entry === undefined) throw new Error(`it has no ${name}`);
      return (await zip.entryData(entry)).toString('utf8');
    };
    const metadata = await infoOf('METADATA');
    const digests = parseRecord(await infoOf('RECORD'));
    return {
      file,
      version: /^Version: (.+)$/mu.exec(metadata)?.[1]?.trim() ?? 'unknown',
      entries: new Map(Object.values(entries).map(({ name, size }) => [name, size])),
      requirements: [...metadata.matchAll(/^Requires-Dist: (.+)$/gmu)].map(([, line = '']) => line.trim()),
      unpack: (entry, target, options) => unpack(zip, file, digests, entry, target, options),
      close: () => zip.close(),
    };
  } catch (error) {
    await zip.close().catch(() => undefined); // the first error is the one that matters
    const reason = messageOf(error);
    throw new EngineError(
      `installEngine(): ${basename(file)} is not a whole wheel: ${reason}. Delete it and run the installation again.`,
      { file },
      { cause: error },
    );
  }
}

/** Lines of `path,sha256=<base64url>,size`. */
function parseRecord(record: string): Map<string, string> {
  const digests = new Map<string, string>();
  for (const [, path = '', digest = ''] of record.matchAll(/^"?([^",]+)"?,sha256=([\w-]+)=*,/gmu)) {
    digests.set(path, Buffer.from(digest, 'base64url').toString('hex'));
  }
  return digests;
}

async function unpack(
  zip: StreamZip.StreamZipAsync,
  file: string,
  digests: ReadonlyMap<string, string>,
  entry: string,
  target: string,
  { onBytes, signal }: UnpackOptions = {},
): Promise<FileRecord> {
  await mkdir(dirname(target), { recursive: true });
  const hash = createHash('sha256');
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      onBytes?.(chunk.length);
      done(null, chunk);
    },
  });
  const mode = entry.includes('/bin/') ? 0o755 : 0o644;
  const sink = createWriteStream(target, { highWaterMark: 1 << 20, mode });
  await pipeline(await zip.stream(entry), meter, sink, signal ? { signal } : {});
  const sha256 = hash.digest('hex');
  const expected = digests.get(entry);
  if (expected !== undefined && expected !== sha256) {
    throw new EngineError(
      `installEngine(): ${entry} of ${basename(file)} has sha256 ${sha256}, expected ${expected}: the wheel is damaged. Delete it and run the installation again.`,
      { file, entry, sha256, expected },
    );
  }
  return { bytes, sha256 };
}

/** The entry whose base name is `name`, in the package's own folder. */
export function entryNamed(wheel: Wheel, name: string): string {
  const entry = [...wheel.entries.keys()].find((path) => basename(path) === name);
  if (entry !== undefined) return entry;
  throw new EngineError(
    `installEngine(): ${basename(wheel.file)} holds no ${name}. Pass a wheel of \`tensorflow\` or \`tensorflow-cpu\` for this machine.`,
    { file: wheel.file, name },
  );
}

/** Where an entry of an NVIDIA wheel goes. */
export const targetOf = (folder: string, entry: string): string => join(folder, ...entry.split('/'));
