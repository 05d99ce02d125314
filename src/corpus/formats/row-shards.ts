import { CorpusError, isTaustreamError } from '../../errors.ts';
import type { Block } from '../blocks.ts';
import type { ByteSource } from '../byte-source.ts';
import type { ShardSet } from '../sharded-corpus.ts';
import type { FormatInput } from './format.ts';
import { IMAGES_AHEAD } from './image.ts';
import { Survey } from './survey.ts';
import { tableOf, type Row, type Table } from './table.ts';

/** A row that can be read, and where it lies. */
export interface RowRef {
  readonly offset: number;
  /** Instead of the shard and the row's number, where the row has a name of its own. */
  readonly id?: string;
  /** @throws {ShardError} when the bytes are no row */
  row(this: void): Row;
}

/** Rows of one shard. */
export interface RowShard {
  readonly rows: number;
  /** @default the file's */
  readonly name?: string;
  read(this: void, first: number, count: number, signal?: AbortSignal): Promise<readonly RowRef[]>;
}

/** Told each row as a file is gone through; rows that cannot be read are met again when they are asked for. */
export type Visit = (row: () => Row) => void;

/**
 * Opens files of rows: goes through each once to count them and to learn the fields, then makes the table.
 *
 * @param open goes through one file; gives its rows as one shard or several
 */
export async function openTable(
  format: string,
  { where, sources, options }: FormatInput,
  open: (source: ByteSource, visit: Visit) => Promise<RowShard | readonly RowShard[]>,
): Promise<ShardSet> {
  const survey = new Survey(options);
  const visit: Visit = (row) => {
    try {
      survey.add(row());
    } catch (error) {
      if (!isTaustreamError(error)) throw error; // else: a bad sample, which the policy meets when it is read
    }
  };
  const opened: { source: ByteSource; rows: RowShard }[] = [];
  for (const source of sources) for (const rows of [await open(source, visit)].flat()) opened.push({ source, rows });
  if (survey.rows === 0)
    throw new CorpusError(
      `${where}: expected at least one row in ${sources
        .map(({ name }) => `\`${name}\``)
        .slice(0, 3)
        .join(', ')}, got none that can be read. Check the files.`,
      { files: sources.map(({ name }) => name) },
    );
  const table = tableOf(where, survey, options);
  return {
    format,
    schema: table.schema,
    classes: table.classes,
    classNames: table.classNames,
    ...(table.decodes && { decodeAhead: IMAGES_AHEAD, augments: true }),
    shards: opened
      .filter(({ rows }) => rows.rows > 0)
      .map(({ source, rows }) => {
        const name = rows.name ?? source.name;
        const read = async (first: number, count: number, signal?: AbortSignal) =>
          rowBlock(table, name, first, await rows.read(first, count, signal));
        return { name, bytes: source.bytes, samples: rows.rows, read };
      }),
  };
}

const rowBlock = (table: Table, shard: string, first: number, rows: readonly RowRef[]): Block => ({
  count: rows.length,
  sample: (i, pass) => {
    const { row, offset, id } = rows[i]!;
    return table.sample(row(), { id: id ?? `${shard}:${first + i}`, shard, offset, pass });
  },
});
