import { writeRow, type ColumnData, type Schema } from './columns.ts';
import { atSteps } from './steps.ts';

/**
 * One training example. `id` is stable across runs and machines (shard and index), so that history schemes, logs and
 * a resumed run can name it; every other key is a column of the corpus' schema.
 */
export interface Sample {
  readonly id: string;
  readonly [column: string]: string | number | readonly number[] | ColumnData;
}

/** What a pass over a corpus may be told. */
export interface SampleOptions {
  /** Base of every random order. The same seed gives the same order. */
  readonly seed: number;
  /** Passes over the data; `Infinity` to go on until the consumer stops. @default Infinity */
  readonly epochs?: number;
  /** Whether shards and samples are shuffled, each epoch anew. @default true */
  readonly shuffle?: boolean;
  readonly signal?: AbortSignal;
  /** Samples that the consumer will want at once: where each must be decoded, as many are begun ahead. @default a few */
  readonly ahead?: number;
  /** Goes on from here, as another stream over the same corpus with the same seed told. @default the beginning */
  readonly from?: Position;
}

/**
 * Where a stream stands: plain values, small, to be kept in a checkpoint. What it holds is the corpus' own affair.
 */
export type Position = Readonly<Record<string, unknown>>;

/** A pass over a corpus. */
export interface SampleStream extends AsyncIterable<Sample> {
  /**
   * Where the stream stood when `taken` of its samples had been taken, whatever was read ahead since: a consumer with
   * buffers of its own tells how many samples it is done with. A stream without it cannot be gone on with but by
   * reading again.
   *
   * @param taken in [0, samples given so far]
   */
  position?(this: void, taken: number): Position;
  /**
   * The epoch of a sample that was given, from 0 at the beginning of the corpus. Without it, it is told by counting, which
   * is another one where bad samples were left out.
   *
   * @param index of the sample among those that the stream has given
   */
  epochOf?(this: void, index: number): number;
  /**
   * Writes the next samples straight into rows, without a promise for each: for consumers that fill buffers. It goes on
   * where the iteration stands and moves it on; not to be called while a sample is being waited for.
   *
   * @param accepts asked once about each sample, in their order; one that it turns away counts as taken, and has no row
   * @returns the ids of those in rows: fewer than `rows` only when the stream has ended
   */
  fillRows?(this: void, into: SampleRows, rows: number, accepts?: (id: string) => boolean): Promise<string[]>;
}

/** A stream that writes its samples into rows itself. */
export type RowStream = SampleStream & Required<Pick<SampleStream, 'fillRows'>>;

/** Whether a stream writes its samples into rows itself, which saves a promise a sample. */
export const fillsRows = (samples: AsyncIterable<unknown> | AsyncIterator<unknown>): samples is RowStream =>
  'fillRows' in samples && typeof samples.fillRows === 'function';

/** What is made of a source's items, which writes rows as well, as the source does. */
export function withRows<Item>(
  items: AsyncGenerator<Item, void, void>,
  source: RowStream,
  fillRows: RowStream['fillRows'],
): AsyncGenerator<Item, void, void> & Pick<RowStream, 'fillRows'> {
  const end = items.return.bind(items);
  return Object.assign(items, {
    fillRows,
    // a generator that was never asked for an item ends without ending its source
    return: async () => {
      await end();
      await source[Symbol.asyncIterator]().return?.();
      return { done: true as const, value: undefined };
    },
  });
}

/** Room for samples: row `i` of each column is sample `i`'s. */
export interface SampleRows {
  readonly schema: Schema;
  /** By name, each with room for all the rows. */
  readonly columns: Readonly<Record<string, ColumnData>>;
  /** Begins the message about a sample that does not fit. */
  readonly where: string;
}

/** Writes a sample into row `row`. @throws {ShapeError} when the sample does not match the schema */
export function writeSample({ schema, columns, where }: SampleRows, row: number, sample: Sample): void {
  for (const name in schema) {
    const whereIs = () => `${where}: column \`${name}\` of sample ${sample.id}`;
    writeRow(columns[name]!, atSteps(schema[name]!, 0), row, sample[name], whereIs);
  }
}

/** A source of samples, read as a stream: nothing is held in memory beyond the shuffle buffer. */
export interface Corpus {
  readonly name: string;
  readonly schema: Schema;
  /** Classes of an integer target column, by column; labels lie in `[0, classes)`. */
  readonly classes?: Readonly<Record<string, number>>;
  /** Samples in one epoch; undefined while that is not known. */
  readonly length: number | undefined;
  /** Of a corpus made of several: the name of the one that a sample comes from, by its id. */
  partOf?(this: void, id: string): string;
  /** Streams the samples, epoch after epoch. */
  samples(options: SampleOptions): SampleStream;
}
