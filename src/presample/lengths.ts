import { z } from 'zod';

const count = z.int().positive();

/** What is done about samples of different lengths; it says nothing where all have one. */
export const LengthOptions = z
  .strictObject({
    /**
     * The longest that a sample of each bucket is, in steps, ascending; the last is the longest that any may be. A buffer
     * holds samples of one bucket. @default one bucket for all, without an end
     */
    boundaries: z
      .array(count)
      .min(1)
      .max(64)
      .refine((ends) => ends.every((end, i) => i === 0 || end > ends[i - 1]!), { error: 'must ascend' })
      .optional(),
    /** Whether a buffer holds samples of one bucket; if not, boundaries say only what is padded to. @default true */
    bucket: z.boolean().default(true),
    /** Samples in a minibatch of each bucket. @default batchSize */
    batchSizes: z.array(count).min(1).optional(),
    /** Steps in a minibatch, padding included: each bucket's minibatches hold as many samples as fit, at least one. */
    tokensPerBatch: count.optional(),
    /**
     * What is done about a sample longer than the last boundary: its `end` is cut off, or its `start`, or it is left out
     * and counted (`drop`), or it is an `error`. @default 'error'
     */
    truncate: z.enum(['end', 'start', 'drop', 'error']).default('error'),
    /**
     * To what a buffer is padded: the boundary of its samples, or its `longest` sample. Without boundaries they are 8, 12,
     * 16, 24, 32, 48, …, so that compiled steps see few shapes. @default 'boundary'
     */
    pad: z.enum(['boundary', 'longest']).default('boundary'),
  })
  .refine((o) => !o.batchSizes || o.batchSizes.length === o.boundaries?.length, {
    path: ['batchSizes'],
    error: 'must be as many as `boundaries`',
  })
  .refine((o) => o.tokensPerBatch === undefined || (o.boundaries && !o.batchSizes), {
    path: ['tokensPerBatch'],
    error: 'must come with `boundaries`, and instead of `batchSizes`',
  })
  .refine((o) => o.bucket || (!o.batchSizes && o.tokensPerBatch === undefined), {
    path: ['bucket'],
    error: 'must be true for buckets to have batch sizes of their own',
  })
  .refine((o) => o.truncate === 'error' || o.boundaries, {
    path: ['truncate'],
    error: 'must come with `boundaries`: the last one is the longest that a sample may be',
  });
export type LengthOptions = z.input<typeof LengthOptions>;
export type LengthSettings = z.output<typeof LengthOptions>;

/**
 * What a buffer is padded to.
 *
 * @param longest steps of its longest sample
 */
export function paddedSteps({ boundaries, pad }: LengthSettings, longest: number): number {
  if (pad === 'longest') return longest;
  return boundaries ? boundaries.find((end) => end >= longest)! : nextRung(longest);
}

/** The least of 8, 12, 16, 24, 32, 48, 64, … that is no less than `steps`: at most half of a buffer is padding for it. */
function nextRung(steps: number): number {
  let rung = 8;
  while (rung < steps) rung *= 2;
  return rung > 8 && (rung / 4) * 3 >= steps ? (rung / 4) * 3 : rung;
}

/** The number of a sample's bucket. @param steps at most the last boundary */
export const bucketOf = ({ boundaries, bucket }: LengthSettings, steps: number): number =>
  boundaries && bucket ? boundaries.findIndex((end) => end >= steps) : 0;

/** How many buckets there are. */
export const bucketCount = ({ boundaries, bucket }: LengthSettings): number =>
  boundaries && bucket ? boundaries.length : 1;

/** The same cuts and paddings for samples that must come in their own order: for measuring. */
export const inOrder = (lengths: LengthOptions | undefined): LengthOptions | undefined => {
  if (!lengths) return undefined;
  const { boundaries, truncate, pad } = lengths;
  return { bucket: false, ...(boundaries && { boundaries }), ...(truncate && { truncate }), ...(pad && { pad }) };
};

/** Samples in a minibatch of each bucket, b_k. */
export function bucketBatchSizes(lengths: LengthSettings, batchSize: number): readonly number[] {
  const { boundaries, batchSizes, tokensPerBatch } = lengths;
  if (batchSizes) return batchSizes;
  if (!boundaries || tokensPerBatch === undefined) return Array.from({ length: bucketCount(lengths) }, () => batchSize);
  return boundaries.map((end) => Math.max(1, Math.floor(tokensPerBatch / end)));
}
