import { CorpusError } from '../../errors.ts';
import type { Pass } from '../augment/augment.ts';
import type { Block } from '../blocks.ts';
import type { ByteSource } from '../byte-source.ts';
import type { Shard } from '../sharded-corpus.ts';
import { splitRow } from './csv.ts';
import type { Format, FormatInput } from './format.ts';
import { decodeImage, IMAGE_NAME, IMAGES_AHEAD, imageSpec } from './image.ts';
import { readRange } from './shard-access.ts';
import { withZip } from './zip-pool.ts';

/** An image, where it lies and what it shows. */
interface ImageRef {
  readonly path: string;
  /** Names it beside its shard; undefined for a file of its own. */
  readonly id: string;
  read(this: void, signal?: AbortSignal): Promise<Uint8Array>;
}

interface ImageShard {
  readonly name: string;
  readonly bytes: number;
  readonly images: readonly ImageRef[];
  /** What a labels file in the archive says. */
  readonly labels?: ReadonlyMap<string, string>;
}

const LABELS_NAME = /(^|\/)labels\.csv$/i;
/** Small files that are read together as one block. */
const BLOCK = 32;

/**
 * Images in zip archives or as files. The class is the folder that an image lies in, or what a CSV file with the columns
 * `file` and `label` says: the option `labels`, or a `labels.csv` in the archive. A folder of image files is one shard.
 */
export const images: Format = {
  name: 'images',
  // what is named an image and begins as none is a damaged one: a bad sample, not to be passed over
  detect: ({ name, head }) =>
    head.subarray(0, 4).toString('latin1') === 'PK\x03\x04' || /\.zip$/i.test(name) || IMAGE_NAME.test(name),
  async open(input) {
    const { where, sources, options } = input;
    const zips = sources.filter(({ name }) => !IMAGE_NAME.test(name) && !LABELS_NAME.test(name));
    const files = sources.filter(({ name }) => IMAGE_NAME.test(name));
    const shards = await Promise.all(zips.map((source) => openZip(where, source)));
    if (files.length > 0) shards.push(fileShard(input.where, files));
    const given = options.labels === undefined ? undefined : await readLabels(options.labels, input);
    const labelOf = (shard: ImageShard, image: ImageRef) =>
      given ? find(given, image.path) : shard.labels ? find(shard.labels, image.path) : folderOf(image.path);
    const names = [...new Set(shards.flatMap((shard) => shard.images.map((image) => labelOf(shard, image))))].filter(
      (name) => name !== undefined,
    );
    const classes = names.toSorted((a, b) => (a < b ? -1 : 1));
    const numbers = new Map(classes.map((name, i) => [name, i]));
    if (classes.length === 0)
      throw new CorpusError(
        `${where}: expected images in folders named after their classes, or \`labels\`, got no class. Name a labels file.`,
      );
    return {
      format: 'images',
      schema: { x: imageSpec(options.image), y: { type: 'int32', shape: [] } },
      classes: { y: classes.length },
      classNames: { y: classes },
      blockSize: BLOCK,
      decodeAhead: IMAGES_AHEAD,
      augments: true,
      shards: shards.map((shard) => toShard(shard, input, (image) => numbers.get(labelOf(shard, image) ?? '') ?? -1)),
    };
  },
};

function toShard(shard: ImageShard, { options }: FormatInput, classOf: (image: ImageRef) => number): Shard {
  const { name, bytes } = shard;
  const read = async (first: number, count: number, signal?: AbortSignal): Promise<Block> => {
    const wanted = shard.images.slice(first, first + count);
    // Each is read with its decoding, so that one that is damaged is one bad sample, and few bytes wait.
    const sample = async (i: number, pass?: Pass) => {
      const image = wanted[i]!;
      const packed = await image.read(signal);
      const x = await decodeImage(packed, options, { shard: name, offset: 0, id: image.id }, pass);
      return { id: image.id, x, y: classOf(image) };
    };
    return { count, sample };
  };
  return { name, bytes, samples: shard.images.length, classOf: (index) => classOf(shard.images[index]!), read };
}

async function openZip(where: string, source: ByteSource): Promise<ImageShard> {
  if (!isFile(source))
    throw new CorpusError(`${where}: expected \`${source.name}\` as a file on this machine. Fetch it first.`);
  return withZip(source, async (zip) => {
    const entries = await zip.entries();
    const labels = entries.find((entry) => LABELS_NAME.test(entry.path));
    const found = entries.filter((entry) => IMAGE_NAME.test(entry.path) && !/(^|\/)(\.|__MACOSX\/)/.test(entry.path));
    if (found.length === 0)
      throw new CorpusError(
        `${where}: expected images in \`${source.name}\`, got ${entries.length} other files. Check the archive.`,
      );
    return {
      name: source.name,
      bytes: source.bytes,
      images: found.map((entry) => ({
        path: entry.path,
        id: `${source.name}:${entry.path}`,
        read: () => withZip(source, (again) => again.read(entry.path)),
      })),
      ...(labels && { labels: parseLabels(where, (await zip.read(labels.path)).toString('utf8')) }),
    };
  });
}

const isFile = (source: ByteSource): source is ByteSource & { readonly path: string } => source.path !== undefined;

const fileShard = (where: string, files: readonly ByteSource[]): ImageShard => ({
  name: where.replace(/^corpus\(`|`\)$/g, ''),
  bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  images: files.map((source) => ({
    path: source.name,
    id: source.name,
    read: (signal) => readRange(source, 0, source.bytes, signal),
  })),
});

const folderOf = (path: string): string | undefined => path.split('/').at(-2);

/** A label by the whole path, or by the file's name alone. */
const find = (labels: ReadonlyMap<string, string>, path: string): string | undefined =>
  labels.get(path) ?? labels.get(path.split('/').at(-1)!);

async function readLabels(path: string, { where }: FormatInput): Promise<ReadonlyMap<string, string>> {
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CorpusError(
      `${where}: expected a CSV file at \`${path}\` (\`labels\`), got ${String(cause)}. Check the path.`,
      { path },
      { cause },
    );
  });
  return parseLabels(where, text);
}

function parseLabels(where: string, text: string): ReadonlyMap<string, string> {
  const [header = '', ...lines] = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  const columns = splitRow(header, ',') ?? [];
  const [file, label] = [columns.indexOf('file'), columns.indexOf('label')];
  if (file < 0 || label < 0)
    throw new CorpusError(
      `${where}: expected the columns \`file\` and \`label\` in the labels, got \`${header}\`. Name them so.`,
    );
  // One without a class has none: a bad sample, not a class of its own that has no name.
  return new Map(
    lines.flatMap((line) => {
      const row = splitRow(line, ',') ?? [];
      return row[file] && row[label] ? [[row[file], row[label]] as const] : [];
    }),
  );
}
