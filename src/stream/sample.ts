import type { ColumnData, Schema } from './columns.ts';

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
}

/** A source of samples, read as a stream: nothing is held in memory beyond the shuffle buffer. */
export interface Corpus {
  readonly name: string;
  readonly schema: Schema;
  /** Classes of an integer target column, by column; labels lie in `[0, classes)`. */
  readonly classes?: Readonly<Record<string, number>>;
  /** Samples in one epoch; undefined while that is not known. */
  readonly length: number | undefined;
  /** Streams the samples, epoch after epoch. */
  samples(options: SampleOptions): AsyncIterable<Sample>;
}
