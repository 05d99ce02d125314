import type { FileMetaData, RowGroup } from 'hyparquet';
import { isTaustreamError, messageOf } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import type { Format, FormatInput } from './format.ts';
import { readFooter, readRows } from './parquet-pool.ts';
import { openTable, type RowShard, type Visit } from './row-shards.ts';
import { readRange, shardError } from './shard-access.ts';
import type { Row } from './table.ts';

/** Length of the footer (u32) and `PAR1`, at the end. */
const TAIL = 8;

/** Parquet: each row group is a shard, read as a whole, because that is what can be read by itself. */
export const parquet: Format = {
  name: 'parquet',
  detect: ({ name, head }) => head.subarray(0, 4).toString('latin1') === 'PAR1' || /\.parquet$/i.test(name),
  async open(input) {
    const found = await openTable('parquet', input, (source, visit) => openGroups(source, input, visit));
    return { ...found, blockSize: found.shards.reduce((most, { samples }) => Math.max(most, samples), 1) };
  },
};

async function openGroups(source: ByteSource, { signal, options }: FormatInput, visit: Visit): Promise<RowShard[]> {
  const metadata = await footerOf(source, signal);
  const columns = wantedColumns(metadata, options.columns);
  const groups: RowShard[] = [];
  let start = 0;
  for (const [number, group] of metadata.row_groups.entries()) {
    signal?.throwIfAborted();
    const [first, rows] = [start, Number(group.num_rows)];
    const [low, high] = spanOf(source, group);
    const read = async (from: number, to: number, stop?: AbortSignal): Promise<Row[]> => {
      const bytes = await readRange(source, low, high, stop);
      const request = {
        fileBytes: source.bytes,
        start: low,
        bytes,
        metadata,
        columns,
        from: first + from,
        to: first + to,
      };
      const found = await guarded(source, low, readRows(request));
      if (found.length === to - from) return found.map(plain);
      throw shardError(source.name, low, `${to - from} rows in row group ${number}`, `${found.length}`);
    };
    for (const row of await read(0, rows, signal)) visit(() => row);
    groups.push({
      rows,
      name: metadata.row_groups.length === 1 ? source.name : `${source.name}#${number}`,
      read: async (from, count, stop) =>
        (await read(from, from + count, stop)).map((row) => ({ offset: low, row: () => row })),
    });
    start += rows;
  }
  return groups;
}

async function footerOf(source: ByteSource, signal?: AbortSignal): Promise<FileMetaData> {
  const tail = await readRange(source, Math.max(0, source.bytes - TAIL), source.bytes, signal);
  const length = tail.length === TAIL && tail.toString('latin1', 4) === 'PAR1' ? tail.readUInt32LE() : -1;
  const start = source.bytes - TAIL - length;
  if (length < 0 || start < 4)
    throw shardError(source.name, Math.max(0, source.bytes - TAIL), 'a Parquet footer', tail.toString('hex'));
  const bytes = await readRange(source, start, source.bytes, signal);
  return guarded(source, start, readFooter({ fileBytes: source.bytes, start, bytes }));
}

/** The bytes of a row group: from its first page to the end of its last column. */
function spanOf(source: ByteSource, group: RowGroup): [number, number] {
  const spans = group.columns.map(({ meta_data: column }) => {
    const start = Number(column?.dictionary_page_offset ?? column?.data_page_offset ?? -1);
    return [start, start + Number(column?.total_compressed_size ?? -1)] as const;
  });
  const [low, high] = [Math.min(...spans.map(([start]) => start)), Math.max(...spans.map(([, end]) => end))];
  if (low >= 4 && low <= high && high <= source.bytes && Number(group.num_rows) >= 0) return [low, high];
  throw shardError(
    source.name,
    source.bytes - TAIL,
    `row groups within ${source.bytes} bytes`,
    `bytes ${low} to ${high}`,
  );
}

/** Only the columns that rules ask for are read. */
function wantedColumns({ schema }: FileMetaData, rules: FormatInput['options']['columns']): string[] | undefined {
  if (!rules) return undefined;
  const wanted = new Set(Object.entries(rules).flatMap(([name, { from = name }]) => from));
  return schema
    .slice(1)
    .map(({ name }) => name)
    .filter((name) => wanted.has(name));
}

/** Hugging Face keeps an image as `{ bytes, path }`. */
const plain = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, isImageStruct(value) ? value.bytes : value]));

const isImageStruct = (value: unknown): value is { readonly bytes: Uint8Array } =>
  typeof value === 'object' && value !== null && 'bytes' in value && value.bytes instanceof Uint8Array;

async function guarded<Value>(source: ByteSource, offset: number, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (cause) {
    if (isTaustreamError(cause)) throw cause;
    throw shardError(source.name, offset, 'a Parquet file', messageOf(cause), {}, cause);
  }
}
