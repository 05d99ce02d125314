import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { z } from 'zod';
import { CorpusError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { fileSource, type ByteSource } from './byte-source.ts';
import { isPacked, unpacked } from './expanded-source.ts';
import { formatFields, type Format, type Probe } from './formats/format.ts';
import { formatNames, formats } from './formats/formats.ts';
import { recordCorpus, type RecordCorpus } from './record-corpus.ts';
import { isMissing, MANIFEST_FILE } from './record-manifest.ts';
import { isRemote, localCopy, remoteSource } from './remote-source.ts';
import { orderFields, shardedCorpus, type ShardedCorpus } from './sharded-corpus.ts';
import { textCorpus } from './text-corpus.ts';
import type { TextCorpus } from './windowed-text.ts';

export const CorpusOptions = z.strictObject({
  /** A file, a folder, a URL (`https://`, `s3://`), or several files or URLs. */
  path: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  /** What the files are. @default told from their names and first bytes */
  format: z.enum([...formatNames, 'records', 'text']).optional(),
  /** Only files whose path holds this. */
  include: z.string().min(1).optional(),
  /** Names the corpus in logs. @default the file's or folder's name */
  name: z.string().min(1).optional(),
  /** Text: units in a window. @default 128 – guess */
  window: z.int().min(1).default(128),
  /** Text: units from the start of one window to the next. @default window */
  stride: z.int().min(1).optional(),
  /** Text: what a time step is. @default 'character' */
  unit: z.enum(['character', 'byte']).default('character'),
  ...formatFields,
  ...orderFields,
  /** Stops the opening. */
  signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
});
export type CorpusOptions = z.input<typeof CorpusOptions>;
type Parsed = z.output<typeof CorpusOptions>;

/** Any corpus that `corpus()` opens. */
export type OpenedCorpus = ShardedCorpus | RecordCorpus | TextCorpus;

/**
 * Opens what people have, and tells by itself what it is: record shards, images in zips or folders, IDX (MNIST), CIFAR,
 * WebDataset tars, TFRecord, Parquet, JSONL, CSV, time series (UCR, `.ts`), text; plain, gzip or zstd. Files that are of no
 * known format (a README, a licence) are passed over.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {CorpusError} when there is nothing, nothing known, or a mixture of formats
 * @throws {ShardError} when a file is damaged
 * @example
 * const mnist = await corpus({ path: 'mnist', include: 'train' });
 * const { train, validation } = mnist.split({ validation: 0.1 });
 */
export async function corpus(options: CorpusOptions | string): Promise<OpenedCorpus> {
  const given = typeof options === 'string' ? { path: options } : options;
  const parsed = parseOptions('corpus()', CorpusOptions, given);
  const paths = [parsed.path].flat();
  const name = parsed.name ?? paths[0]!.split(/[/\\]/).findLast(Boolean) ?? 'corpus';
  const where = `corpus(\`${paths.join('`, `')}\`)`;
  if (parsed.format === 'text') return openText(paths, parsed);
  const only = paths.length === 1 ? paths[0]! : undefined;
  if (only !== undefined && (parsed.format === 'records' || (await holdsRecords(only))))
    return openRecords(only, parsed, given);
  const files = (await Promise.all(paths.map((path) => filesAt(where, path)))).flat();
  const chosen = files.filter((file) => parsed.include === undefined || file.name.includes(parsed.include));
  const { format, sources } = await tellFormat(where, chosen, parsed);
  if (format === 'text') return openText(paths, parsed);
  const found = await format.open({
    where: `corpus(\`${name}\`)`,
    sources,
    options: parsed,
    skipsBad: parsed.onBadSample === 'skip',
    signal: parsed.signal,
  });
  return shardedCorpus(name, found, parsed);
}

const holdsRecords = (path: string): Promise<boolean> =>
  stat(join(path, MANIFEST_FILE)).then(
    () => true,
    () => false, // whatever the reason: it is no folder of records
  );

/** Options of records that differ from the defaults here are handed on; their buffer has a default of its own. */
function openRecords(
  folder: string,
  { shuffleBuffer, shardsAtOnce, onBadSample, maxBadSamples }: Parsed,
  given: CorpusOptions,
): Promise<RecordCorpus> {
  return recordCorpus(folder, {
    onBadSample,
    maxBadSamples,
    ...(given.shuffleBuffer !== undefined && { shuffleBuffer }),
    ...(given.shardsAtOnce !== undefined && Number.isFinite(shardsAtOnce) && { shardsAtOnce }),
  });
}

function openText(
  paths: readonly string[],
  { window, stride, unit, name, signal, shuffleBuffer }: Parsed,
): Promise<TextCorpus> {
  if (paths.length > 1)
    throw new CorpusError(
      `corpus(): expected one file or folder of text, got ${paths.length}. Give the folder that holds them.`,
    );
  return textCorpus({
    path: paths[0]!,
    window,
    unit,
    shuffleBuffer,
    ...(stride !== undefined && { stride }),
    ...(name !== undefined && { name }),
    ...(signal && { signal }),
  });
}

async function filesAt(where: string, path: string): Promise<ByteSource[]> {
  if (isRemote(path)) {
    const source = await remoteSource(path);
    return [isPacked(source.name) || /\.zip$/i.test(source.name) ? await unpacked(await localCopy(source)) : source];
  }
  const found = await stat(path).catch((cause: unknown) => {
    const got = isMissing(cause) ? 'nothing there' : String(cause);
    throw new CorpusError(
      `${where}: expected a file or folder at \`${path}\`, got ${got}. Check the path.`,
      { path },
      { cause },
    );
  });
  if (!found.isDirectory()) return [await unpacked(await fileSource(path, basename(path)))];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((name) => !name.split('/').some((piece) => piece.startsWith('.'))) // hidden: not meant as data
    .toSorted((a, b) => (a < b ? -1 : 1)); // by code units: the same everywhere, whatever the locale
  const files: ByteSource[] = [];
  for (const name of names) files.push(await unpacked(await fileSource(join(path, name), name)));
  return files;
}

async function tellFormat(
  where: string,
  files: readonly ByteSource[],
  { format }: Parsed,
): Promise<{ format: Format | 'text'; sources: ByteSource[] }> {
  const told = new Map<Format, ByteSource[]>();
  const named = formats.find(({ name }) => name === format);
  for (const source of files) {
    const probe = await probeOf(source);
    const own = named ? [named] : formats;
    const match = own.find((candidate) => candidate.detect(probe)) ?? (named && files.length === 1 ? named : undefined);
    if (match) told.set(match, [...(told.get(match) ?? []), source]);
  }
  const [first, second] = told.keys();
  if (second)
    throw new CorpusError(
      `${where}: expected files of one format, got ${[...told].map(([{ name }, own]) => `${own.length} of ${name}`).join(', ')}. Say which with \`format\`, or choose files with \`include\`.`,
      { formats: [...told.keys()].map(({ name }) => name) },
    );
  if (first) return { format: first, sources: told.get(first)! };
  if (!named && files.some(({ name }) => /\.(txt|text|md|rst)$/i.test(name)))
    return { format: 'text', sources: [...files] };
  throw new CorpusError(
    `${where}: expected files of a known format (${formatNames.join(', ')}, records, text), got ${
      files.length === 0
        ? 'none'
        : files
            .slice(0, 3)
            .map(({ name }) => `\`${name}\``)
            .join(', ')
    }. Check the path, or say which with \`format\`.`,
    { files: files.map(({ name }) => name).slice(0, 100) },
  );
}

async function probeOf(source: ByteSource): Promise<Probe> {
  const reader = await source.open();
  try {
    const head = await reader.read(0, Math.min(512, source.bytes));
    return { name: source.name, bytes: source.bytes, head: Buffer.from(head.buffer, head.byteOffset, head.byteLength) };
  } finally {
    await reader.close();
  }
}
