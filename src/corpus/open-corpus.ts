import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { z } from 'zod';
import { CorpusError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { expectPictures } from './augment/augment.ts';
import { fileSource, type ByteSource } from './byte-source.ts';
import { isPacked, unpacked } from './expanded-source.ts';
import { formatFields, type Format, type Probe } from './formats/format.ts';
import { formatNames, formats } from './formats/formats.ts';
import { recordCorpus, type RecordCorpus } from './record-corpus.ts';
import { MANIFEST_FILE } from './record-manifest.ts';
import { isMissing } from '../is-missing.ts';
import { Following } from '../stream/following.ts';
import { isRemoteFolder } from './remote-folder.ts';
import { isRemote, localCopy, remoteSource } from './remote-source.ts';
import { listS3 } from './s3.ts';
import { orderFields, shardedCorpus, type ShardedCorpus } from './sharded-corpus.ts';
import { textCorpus } from './text-corpus.ts';
import type { TextCorpus } from './windowed-text.ts';

export const CorpusOptions = z.strictObject({
  /**
   * A file, a folder, a URL (`https://`, `s3://`), or several files or URLs. A URL that ends with `/` is a folder: of record
   * shards, or, on `s3://`, whose folders can be listed, of anything.
   */
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
 * WebDataset tars, TFRecord, Parquet, JSONL, CSV, time series (UCR, `.ts`), text; plain, gzip or zstd. Of a
 * folder, files of no known format (a README, a licence) are passed over; one that is damaged, or that was named, is not.
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
  using stop = new Following().follow(parsed.signal);
  const { signal } = stop;
  const only = paths.length === 1 ? paths[0]! : undefined;
  if (only !== undefined && (parsed.format === 'records' || (await holdsRecords(only, signal))))
    return openRecords(only, parsed, given);
  const found = await Promise.all(paths.map((path) => filesAt(where, path, signal)));
  const isMeant = (file: ByteSource) => parsed.include === undefined || file.name.includes(parsed.include);
  const chosen = found.flatMap(({ files }) => files).filter(isMeant);
  const { format, sources } = await tellFormat(where, chosen, parsed.format, signal);
  const named = found.flatMap(({ files, isFolder }) => (isFolder ? [] : files)).filter(isMeant);
  expectAll(where, named, { format, sources });
  if (format === 'text') return openText(paths, parsed);
  const shards = await format.open({
    where: `corpus(\`${name}\`)`,
    sources,
    options: parsed,
    skipsBad: parsed.onBadSample === 'skip',
    signal,
  });
  return shardedCorpus(name, shards, parsed, parsed.augment);
}

/** A folder on the web cannot be listed, so it must have a manifest. */
async function holdsRecords(path: string, signal: AbortSignal): Promise<boolean> {
  if (isRemoteFolder(path))
    return (
      !path.startsWith('s3:') ||
      (await listS3(path, undefined, undefined, signal)).some(({ name }) => name === MANIFEST_FILE)
    );
  return stat(join(path, MANIFEST_FILE)).then(
    () => true,
    () => false, // whatever the reason: it is no folder of records
  );
}

/** Options of records that differ from the defaults here are handed on; their buffer has a default of its own. */
function openRecords(
  folder: string,
  { name, shuffleBuffer, shardsAtOnce, onBadSample, maxBadSamples, augment }: Parsed,
  given: CorpusOptions,
): Promise<RecordCorpus> {
  return recordCorpus(folder, {
    onBadSample,
    maxBadSamples,
    ...(name !== undefined && { name }),
    ...(augment && { augment }),
    ...(given.shuffleBuffer !== undefined && { shuffleBuffer }),
    ...(given.shardsAtOnce !== undefined && Number.isFinite(shardsAtOnce) && { shardsAtOnce }),
  });
}

function openText(
  paths: readonly string[],
  { window, stride, unit, name, include, signal, shuffleBuffer, augment }: Parsed,
): Promise<TextCorpus> {
  if (augment) expectPictures('corpus()', { type: 'int32', shape: [window] });
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
    ...(include !== undefined && { include }),
    ...(signal && { signal }),
  });
}

interface FilesAt {
  readonly files: readonly ByteSource[];
  /** Whether they lie in a folder, where files of no known format are passed over. */
  readonly isFolder: boolean;
}

async function filesAt(where: string, path: string, signal: AbortSignal): Promise<FilesAt> {
  if (isRemote(path)) return { files: await remoteFilesAt(path, signal), isFolder: isRemoteFolder(path) };
  const found = await stat(path).catch((cause: unknown) => {
    const got = isMissing(cause) ? 'nothing there' : String(cause);
    throw new CorpusError(
      `${where}: expected a file or folder at \`${path}\`, got ${got}. Check the path.`,
      { path },
      { cause },
    );
  });
  if (!found.isDirectory()) return { files: [await unpacked(await fileSource(path, basename(path)))], isFolder: false };
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((name) => !isHidden(name))
    .toSorted((a, b) => (a < b ? -1 : 1)); // by code units: the same everywhere, whatever the locale
  const files: ByteSource[] = [];
  for (const name of names) files.push(await unpacked(await fileSource(join(path, name), name)));
  return { files, isFolder: true };
}

async function remoteFilesAt(path: string, signal: AbortSignal): Promise<ByteSource[]> {
  if (!isRemoteFolder(path)) return [await readable(await remoteSource(path, { signal }), signal)];
  const sources: ByteSource[] = [];
  for (const { url, name } of await listS3(path, undefined, undefined, signal))
    // A file's name is its path below the folder, as on this machine: folders may be classes.
    if (!isHidden(name)) sources.push(await readable({ ...(await remoteSource(url, { signal })), name }, signal));
  return sources;
}

/** What must be entered at its end or unpacked is copied first. */
const readable = async (source: ByteSource, signal: AbortSignal): Promise<ByteSource> =>
  isPacked(source.name) || /\.zip$/i.test(source.name) ? unpacked(await localCopy(source, undefined, signal)) : source;

/** Hidden: not meant as data. */
const isHidden = (name: string): boolean => name.split('/').some((piece) => piece.startsWith('.'));

async function tellFormat(
  where: string,
  files: readonly ByteSource[],
  format: Parsed['format'],
  signal: AbortSignal,
): Promise<{ format: Format | 'text'; sources: ByteSource[] }> {
  const told = new Map<Format, ByteSource[]>();
  const named = formats.find(({ name }) => name === format);
  for (const source of files) {
    const probe = await probeOf(source, signal);
    const own = named ? [named] : formats;
    const match = own.find((candidate) => candidate.detect(probe)) ?? (named && files.length === 1 ? named : undefined);
    if (!match) continue;
    const alike = told.get(match) ?? [];
    alike.push(source); // in place: there may be a file for each sample
    told.set(match, alike);
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

/** What was named is meant: it is not passed over as a folder's other files are. */
function expectAll(
  where: string,
  named: readonly ByteSource[],
  { format, sources }: { readonly format: Format | 'text'; readonly sources: readonly ByteSource[] },
): void {
  const odd = named.find((source) => !sources.includes(source));
  if (odd && format !== 'text')
    throw new CorpusError(
      `${where}: expected files of one format, got ${sources.length} of ${format.name} and \`${odd.name}\`, which is none. Check the file, or leave it out.`,
      { format: format.name, file: odd.name },
    );
}

async function probeOf(source: ByteSource, signal: AbortSignal): Promise<Probe> {
  const reader = await source.open(signal);
  try {
    const head = await reader.read(0, Math.min(512, source.bytes));
    return { name: source.name, bytes: source.bytes, head: Buffer.from(head.buffer, head.byteOffset, head.byteLength) };
  } finally {
    await reader.close();
  }
}
