import { z } from 'zod';
import { ImportanceOptions } from '../importance/importance.ts';
import type { Scorer } from '../importance/model-scorer.ts';
import { Seed } from '../options.ts';
import { LengthOptions } from '../presample/lengths.ts';
import { TauGateOptions } from '../resample/tau-gate.ts';

const count = z.int().positive();

/** The plain values among the options of `minibatches`. */
export const MinibatchValues = z
  .strictObject({
    /** Samples scored at a time, the paper's B. @default 640 – the paper's CIFAR setting */
    presampleSize: count.default(640),
    /** Samples drawn at a time, the paper's b. @default 128 – the paper's CIFAR setting */
    batchSize: count.default(128),
    /** Buckets, padding and the longest sample, where samples have lengths of their own. */
    lengths: LengthOptions.optional(),
    ...TauGateOptions.shape,
    ...ImportanceOptions.shape,
    /** Base of every random choice. @default 0 */
    seed: Seed.default(0),
    /** Passes over the corpus. @default endless */
    epochs: count.optional(),
    /** Minibatches made while the trainer is busy; 0 is lockstep, exactly Algorithm 1. @default 0 */
    ahead: z.int().nonnegative().default(0),
    /** Batches of `draw` that are held at a time: as many buffers are kept for reuse. @default 1 */
    held: count.default(1),
    /**
     * Uniform batches that may go unreported before the scorer itself is asked about the next one, so that the τ gate
     * learns something from a trainer that never reports. @default 10 – guess
     */
    probeEvery: count.default(10),
  })
  .refine((o) => o.batchSize <= o.presampleSize, {
    path: ['batchSize'],
    error: 'must be at most `presampleSize`: a batch is drawn from it',
  });

export type MinibatchSettings = Readonly<z.output<typeof MinibatchValues>>;

export type MinibatchOptions = z.input<typeof MinibatchValues> & {
  /**
   * Who says how much a sample matters: any object with `score(presample)`, or `'reported'`: what `batch.report` said of
   * it before. Without one every batch is uniform.
   */
  readonly scorer?: Scorer | 'reported';
  /** Called with each sample that `lengths.truncate: 'drop'` left out. */
  readonly onDrop?: (id: string, steps: number) => void;
  readonly signal?: AbortSignal;
};
