import type { ColumnData, ColumnType } from '../../stream/columns.ts';
import type { SampleRows } from '../../stream/sample.ts';
import type { Block } from '../blocks.ts';
import type { ByteSource } from '../byte-source.ts';
import { CorpusError } from '../../errors.ts';
import type { Format } from './format.ts';
import { readRange, shardError } from './shard-access.ts';

/** Of a file that is IDX or damaged, whatever it begins with. */
const NAME = /[-_.]idx\d?([-_]ubyte)?$/i;

/**
 * IDX, the format of MNIST: `00 00`, the type of the numbers, the number of axes, each axis as a big-endian u32, then
 * the numbers, big-endian, row after row. Images and labels are two files whose names differ in that word.
 */
export const idx: Format = {
  name: 'idx',
  detect: ({ name, head }) => {
    const [a, b, code = 0, axes = 0] = head;
    return NAME.test(name) || (head.length >= 8 && a === 0 && b === 0 && code in types && axes >= 1 && axes <= 4);
  },
  async open({ where, sources, signal }) {
    const files = await Promise.all(sources.map((source) => readHeader(source, signal)));
    const pairs = pair(where, files);
    const [shape] = new Set(pairs.map(({ data }) => data.shape.join()));
    const { type, shape: axes } = pairs[0]!.data;
    const odd = pairs.find(({ data }) => data.shape.join() !== shape || data.type !== type);
    if (odd)
      throw shardError(odd.data.source.name, 2, `${type} [${shape}]`, `${odd.data.type} [${odd.data.shape.join()}]`);
    const labels = await Promise.all(pairs.map(async ({ labels: file }) => file && readLabels(file, signal)));
    const largest = labels.reduce((most, own) => own?.reduce((a, b) => Math.max(a, b), most) ?? most, -1);
    const labelled = labels.every((own) => own !== undefined);
    return {
      format: 'idx',
      schema: {
        x: { type, shape: axes.length === 2 ? [...axes, 1] : axes }, // images have a channel
        ...(labelled && { y: { type: 'int32', shape: [] } }),
      },
      ...(labelled && { classes: { y: largest + 1 } }),
      shards: pairs.map(({ data }, i) => ({
        name: data.source.name,
        bytes: data.source.bytes,
        samples: data.count,
        read: (first, count, stop) => readBlock(data, labelled ? labels[i] : undefined, [first, count], stop),
      })),
    };
  },
};

interface IdxFile {
  readonly source: ByteSource;
  readonly type: ColumnType;
  readonly code: number;
  readonly count: number;
  /** Axes of one sample. */
  readonly shape: readonly number[];
  /** Bytes before the numbers. */
  readonly start: number;
}

/** Type code: bytes a number, and the column type that holds it. */
const types: Readonly<
  Record<
    number,
    { readonly bytes: number; readonly column: ColumnType; at: (this: void, bytes: Buffer, i: number) => number }
  >
> = {
  0x08: { bytes: 1, column: 'uint8', at: (bytes, i) => bytes[i]! },
  0x09: { bytes: 1, column: 'int32', at: (bytes, i) => bytes.readInt8(i) },
  0x0b: { bytes: 2, column: 'int32', at: (bytes, i) => bytes.readInt16BE(2 * i) },
  0x0c: { bytes: 4, column: 'int32', at: (bytes, i) => bytes.readInt32BE(4 * i) },
  0x0d: { bytes: 4, column: 'float32', at: (bytes, i) => bytes.readFloatBE(4 * i) },
  0x0e: { bytes: 8, column: 'float32', at: (bytes, i) => bytes.readDoubleBE(8 * i) },
};

async function readHeader(source: ByteSource, signal?: AbortSignal): Promise<IdxFile> {
  const head = await readRange(source, 0, Math.min(source.bytes, 4 + 4 * 8), signal);
  const [code, axes] = [head[2] ?? 0, head[3] ?? 0];
  const type = types[code];
  if (head[0] !== 0 || head[1] !== 0 || !type || axes < 1 || axes > 8 || head.length < 4 + 4 * axes)
    throw shardError(source.name, 0, 'an IDX header', head.subarray(0, 4).toString('hex'));
  const [count = 0, ...shape] = Array.from({ length: axes }, (_, i) => head.readUInt32BE(4 + 4 * i));
  const start = 4 + 4 * axes;
  const expected = start + shape.reduce((product, axis) => product * axis, count * type.bytes);
  if (source.bytes !== expected)
    throw shardError(
      source.name,
      Math.min(source.bytes, expected),
      `${expected} bytes, as the header says`,
      `${source.bytes}`,
    );
  return { source, type: type.column, code, count, shape, start };
}

interface Pair {
  readonly data: IdxFile;
  readonly labels?: IdxFile;
}

/** Finds each image file's labels: the same name but for the words and the number of axes. */
function pair(where: string, files: readonly IdxFile[]): Pair[] {
  const key = ({ source }: IdxFile) =>
    source.name
      .toLowerCase()
      .replace(/images?|labels?|data/, '')
      .replace(/idx\d/, 'idx');
  const isLabels = ({ shape }: IdxFile) => shape.length === 0;
  const labels = new Map(files.filter(isLabels).map((file) => [key(file), file]));
  const data = files.filter((file) => !isLabels(file));
  if (data.length === 0)
    throw new CorpusError(
      `${where}: expected an IDX file of samples, got labels only. Open the folder that holds both.`,
    );
  const lone = files.find((file) => isLabels(file) && !data.some((own) => key(own) === key(file)));
  const bare = data.find((file) => !labels.has(key(file)));
  if (lone || (bare && labels.size > 0))
    throw new CorpusError(
      `${where}: expected labels for all files of samples or none, got ${lone ? `\`${lone.source.name}\`, which are no file's` : `none for \`${bare!.source.name}\``}. ` +
        'Name both alike but for the word (`images`, `labels`), or choose files with `include`.',
      { file: (lone ?? bare)!.source.name },
    );
  return data.map((file) => {
    const own = labels.get(key(file));
    if (own && own.count !== file.count)
      throw shardError(
        own.source.name,
        4,
        `${file.count} labels, one for each sample of \`${file.source.name}\``,
        `${own.count}`,
      );
    return own ? { data: file, labels: own } : { data: file };
  });
}

async function readLabels({ source, code, count, start }: IdxFile, signal?: AbortSignal): Promise<Int32Array> {
  const bytes = await readRange(source, start, source.bytes, signal);
  return Int32Array.from({ length: count }, (_, i) => types[code]!.at(bytes, i));
}

async function readBlock(
  file: IdxFile,
  labels: Int32Array | undefined,
  [first, count]: readonly [number, number],
  signal?: AbortSignal,
): Promise<Block> {
  const { source, code, shape, start } = file;
  const size = shape.reduce((product, axis) => product * axis, 1);
  const { bytes: width } = types[code]!;
  const at = (index: number) => start + index * size * width;
  const bytes = await readRange(source, at(first), at(first + count), signal);
  return {
    count,
    sample: (i: number) => ({
      id: `${source.name}:${first + i}`,
      x: numbers(bytes.subarray(i * size * width, (i + 1) * size * width), file),
      ...(labels && { y: labels[first + i]! }),
    }),
    write: (i: number, columns: SampleRows['columns'], row: number) => {
      const x = columns['x']!;
      if (file.type === 'uint8' && x instanceof Uint8Array) bytes.copy(x, row * size, i * size, (i + 1) * size);
      else x.set(numbers(bytes.subarray(i * size * width, (i + 1) * size * width), file), row * size);
      if (labels) columns['y']![row] = labels[first + i]!;
      return `${source.name}:${first + i}`;
    },
  };
}

function numbers(bytes: Buffer, { code, type, shape }: IdxFile): ColumnData {
  if (type === 'uint8') return new Uint8Array(bytes);
  const { at } = types[code]!;
  const length = shape.reduce((product, axis) => product * axis, 1);
  const values = type === 'int32' ? new Int32Array(length) : new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = at(bytes, i);
  return values;
}
