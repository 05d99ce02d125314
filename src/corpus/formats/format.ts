import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { ByteSource } from '../byte-source.ts';
import type { ShardSet } from '../sharded-corpus.ts';
import { AugmentOptions } from '../augment/augment.ts';
import { TableOptions } from './table.ts';
import { ImageOptions } from './image.ts';

/** Threads for augmentation on a machine of so many cores. One resizes about 1,000 images of 224 × 224 a second. */
export const defaultAugmentWorkers = (cores: number): number => Math.min(8, Math.max(1, Math.floor(cores / 4)));

export const formatFields = {
  /** How rows become columns (JSONL, CSV, Parquet, TFRecord, WebDataset). @default guessed from the rows */
  ...TableOptions.shape,
  /** How images become pixels. */
  image: ImageOptions.prefault({}),
  /** What is done to pictures (`x`) each time they are read, each epoch anew. @default nothing */
  augment: AugmentOptions.optional(),
  /**
   * Threads in which images are augmented and, on machines with more than four cores, all are resized. They change nothing but
   * the time. 0 does it in this one.
   * @default one for each four cores, at least 1 and at most 8: the others decode, and compute
   */
  augmentWorkers: z
    .int()
    .min(0)
    .max(64)
    .default(() => defaultAugmentWorkers(availableParallelism())),
  /** A CSV file with the columns `file` and `label`, beside or inside the images. @default an image's folder is its class */
  labels: z.string().min(1).optional(),
};
const FormatOptions = z.strictObject(formatFields);
export type FormatOptions = z.output<typeof FormatOptions>;

/** A file, as far as it takes to tell its format. */
export interface Probe {
  readonly name: string;
  readonly bytes: number;
  /** The first 512 bytes, or all of them. */
  readonly head: Buffer;
}

/** What a format is handed. */
export interface FormatInput {
  /** For messages. */
  readonly where: string;
  readonly sources: readonly ByteSource[];
  readonly options: FormatOptions;
  /** Whether a sample that cannot be made is left out: then it must not stop the opening either. */
  readonly skipsBad: boolean;
  readonly signal: AbortSignal | undefined;
}

/** A way in which samples are stored. One file each, with the same roles. */
export interface Format {
  readonly name: string;
  /** Whether a file is of this format, by its name and its first bytes. */
  detect(this: void, probe: Probe): boolean;
  /** Lists the shards, counts their samples, and makes them readable from anywhere. */
  open(this: void, input: FormatInput): Promise<ShardSet>;
}
