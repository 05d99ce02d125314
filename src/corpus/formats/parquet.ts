import { parquetMetadataAsync, parquetReadObjects, type AsyncBuffer, type FileMetaData } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { isTaustreamError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import type { Format, FormatInput } from './format.ts';
import { openTable, type RowShard, type Visit } from './row-shards.ts';
import { readRange, shardError } from './shard-access.ts';
import type { Row } from './table.ts';

/** Parquet: each row group is a shard, read as a whole, because that is what can be read by itself. */
export const parquet: Format = {
  name: 'parquet',
  detect: ({ name, head }) => head.subarray(0, 4).toString('latin1') === 'PAR1' || /\.parquet$/i.test(name),
  async open(input) {
    const found = await openTable('parquet', input, (source, visit) => openGroups(source, input, visit));
    return { ...found, blockSize: Math.max(1, ...found.shards.map(({ samples }) => samples)) };
  },
};

async function openGroups(source: ByteSource, { signal, options }: FormatInput, visit: Visit): Promise<RowShard[]> {
  const file = bufferOf(source);
  const metadata = await guarded(source, parquetMetadataAsync(file));
  const columns = wantedColumns(metadata, options.columns);
  const groups: RowShard[] = [];
  let start = 0;
  for (const [number, group] of metadata.row_groups.entries()) {
    signal?.throwIfAborted();
    const [first, rows] = [start, Number(group.num_rows)];
    const readRows = (from: number, to: number) =>
      guarded(
        source,
        parquetReadObjects({
          file,
          metadata,
          compressors,
          rowStart: first + from,
          rowEnd: first + to,
          ...(columns && { columns }),
        }),
      );
    for (const row of await readRows(0, rows)) visit(() => plain(row));
    groups.push({
      rows,
      name: metadata.row_groups.length === 1 ? source.name : `${source.name}#${number}`,
      async read(from, count) {
        const found = await readRows(from, from + count);
        if (found.length !== count)
          throw shardError(source.name, 0, `${count} rows in row group ${number}`, `${found.length}`);
        return found.map((row) => ({ offset: 0, row: () => plain(row) }));
      },
    });
    start += rows;
  }
  return groups;
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

function bufferOf(source: ByteSource): AsyncBuffer {
  return {
    byteLength: source.bytes,
    async slice(start, end = source.bytes) {
      const from = start < 0 ? source.bytes + start : start;
      const bytes = await readRange(source, from, Math.min(end, source.bytes));
      return new Uint8Array(bytes).buffer; // a buffer of its own: hyparquet takes all of it
    },
  };
}

/** Hugging Face keeps an image as `{ bytes, path }`; 64-bit numbers come as bigint. */
const plain = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, isImageStruct(value) ? value.bytes : value]));

const isImageStruct = (value: unknown): value is { readonly bytes: Uint8Array } =>
  typeof value === 'object' && value !== null && 'bytes' in value && value.bytes instanceof Uint8Array;

async function guarded<Value>(source: ByteSource, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (cause) {
    if (isTaustreamError(cause)) throw cause;
    throw shardError(
      source.name,
      0,
      'a Parquet file',
      cause instanceof Error ? cause.message : String(cause),
      {},
      cause,
    );
  }
}
