import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CorpusError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { ImageOptions } from './formats/image.ts';
import { corpus } from './open-corpus.ts';
import type { Split } from './segments.ts';
import type { ShardedCorpus } from './sharded-corpus.ts';

export const LabelledImagesOptions = z.strictObject({
  /** How pictures become pixels: what the network takes. */
  image: ImageOptions.prefault({}),
  /** Share of the pictures that is kept for validation, where the folder has no part for it, in (0, 1). @default 0.2 – guess */
  validation: z.number().gt(0).lt(1).default(0.2),
  /** A CSV file with the columns `file` and `label`. @default a picture's folder is its class */
  labels: z.string().min(1).optional(),
  /** What is done about pictures that cannot be read. @default 'error' */
  onBadSample: z.enum(['error', 'skip']).default('error'),
});

/** Pictures in two parts that share none, of the same classes. */
export interface LabelledImages {
  readonly train: ShardedCorpus;
  readonly validation: ShardedCorpus;
  readonly classNames: readonly string[];
  /** How pictures became pixels, for the model that is to take them. */
  readonly image: ImageOptions;
}

/** In the order in which they are looked for: a test part is for the end, and stands in only where there is no other. */
const PARTS = {
  train: [/^train(ing)?(\.|$)/i],
  validation: [/^(val|valid|validation)(\.|$)/i, /^test(\.|$)/i],
};

/**
 * Opens pictures to train a classifier on: a folder, or zips, of a folder a class. Where the path holds a part `train` and
 * a part `validation` or `val`, or else `test` (zips or folders), these are the parts; else every few pictures, in the order of
 * their classes, the last is kept for validation.
 *
 * @throws {CorpusError} when there are no pictures, fewer than two classes, a class of one picture to be split, or the
 *   parts have different classes; a class without a picture to validate on is warned of
 * @throws {OptionsError} when an option is unknown or out of range
 * @example
 * const { train, validation, classNames } = await labelledImages('my-photos', { image: { height: 224, width: 224 } });
 */
export async function labelledImages(
  path: string,
  options: z.input<typeof LabelledImagesOptions> = {},
): Promise<LabelledImages> {
  const { validation: share, ...parsed } = parseOptions('labelledImages()', LabelledImagesOptions, options);
  const { image } = parsed;
  const open = (part: string, name: string) => openImages(part, { ...parsed, name });
  const parts = await partsIn(path);
  if (!parts) {
    const all = await open(path, nameOf(path));
    const blocks = Math.max(1, Math.min(100_000, Math.round(all.length * share)));
    const classNames = classesOf(path, all);
    const split = all.split({ validation: share, blocks });
    expectEachClass(path, classNames, all, split);
    return { ...split, classNames, image };
  }
  const [train, validation] = [await open(parts.train, 'train'), await open(parts.validation, 'validation')];
  const classNames = classesOf(parts.train, train);
  expectSameClasses(parts, classNames, classesOf(parts.validation, validation));
  return { train, validation, classNames, image };
}

/** @throws {CorpusError} when a class has no picture to train on; warns of those with none to validate on */
function expectEachClass(
  path: string,
  names: readonly string[],
  all: ShardedCorpus,
  { train, validation }: Split<ShardedCorpus>,
): void {
  const without = (counts: readonly number[] = []) => names.filter((_, label) => counts[label] === 0);
  const alone = names.filter((_, label) => all.classCounts?.[label] === 1);
  const missing = alone.length > 0 ? alone : without(train.classCounts);
  if (missing.length > 0)
    throw new CorpusError(
      `${path}: expected at least two pictures of each class, one to train and one to validate on, got ${alone.length > 0 ? 'one' : 'none to train on'} of ${listed(missing)}. ` +
        'Add pictures, keep fewer for validation, or leave the class out.',
      { path, classes: missing },
    );
  const unseen = without(validation.classCounts);
  if (unseen.length > 0)
    process.emitWarning(
      `${path}: no picture of ${listed(unseen)} is kept for validation, which says nothing of such classes. Add pictures, or keep more (\`validation\`).`,
      { code: 'TAUSTREAM_UNVALIDATED_CLASS' },
    );
}

type Parts = Readonly<Record<'train' | 'validation', string>>;

async function partsIn(path: string): Promise<Parts | undefined> {
  const names = await readdir(path).catch(() => []); // no folder: opened as it is, where errors are told
  const [train, validation] = [PARTS.train, PARTS.validation].map((forms) =>
    forms.map((form) => names.find((name) => form.test(name))).find((name) => name !== undefined),
  );
  return train && validation ? { train: join(path, train), validation: join(path, validation) } : undefined;
}

async function openImages(path: string, options: object): Promise<ShardedCorpus> {
  const opened = await corpus({ path, format: 'images', ...options });
  return opened as ShardedCorpus; // what the format `images` gives
}

const nameOf = (path: string): string => path.split(/[/\\]/).findLast(Boolean) ?? path;

function classesOf(path: string, { classNames }: ShardedCorpus): readonly string[] {
  const names = classNames['y'] ?? [];
  if (names.length >= 2) return names;
  throw new CorpusError(
    `${path}: expected pictures of at least two classes, got ${names.length === 0 ? 'none' : `\`${names.join('`, `')}\` alone`}. ` +
      'Put each class into a folder of its own, or give `labels`.',
    { path, classes: names },
  );
}

function expectSameClasses({ train, validation }: Parts, own: readonly string[], others: readonly string[]): void {
  const missing = own.filter((name) => !others.includes(name));
  const unknown = others.filter((name) => !own.includes(name));
  if (missing.length === 0 && unknown.length === 0) return;
  const said = [
    ...(missing.length > 0 ? [`${listed(missing)} missing`] : []),
    ...(unknown.length > 0 ? [`${listed(unknown)} unknown`] : []),
  ];
  throw new CorpusError(
    `${validation}: expected the classes of \`${train}\`, got ${said.join(' and ')}. Name the folders alike in both.`,
    { missing, unknown, train, validation },
  );
}

const listed = (names: readonly string[]) => `\`${names.slice(0, 5).join('`, `')}\`${names.length > 5 ? ', …' : ''}`;
