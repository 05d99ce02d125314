import { z } from 'zod';
import { parseOptions } from '../options.ts';
import type { Schema } from '../stream/columns.ts';
import type { Gate, Turnstile } from '../stream/gate.ts';
import type { Draw } from '../stream/minibatch.ts';
import type { InFlight } from '../stream/in-flight.ts';
import { Presample } from '../stream/presample.ts';
import type { Sample } from '../stream/sample.ts';
import type { Stage } from '../stream/stage.ts';
import { bufferSchema, variesInLength } from '../stream/steps.ts';
import { LengthFiller } from './fill-lengths.ts';
import { RowFiller } from './fill-rows.ts';
import { columnsOf, type Filler } from './fill.ts';
import { LengthOptions } from './lengths.ts';
import { Ring } from './ring.ts';

const count = z.int().positive();

export const PresampleOptions = z
  .strictObject({
    /** Samples fetched while the gate is open, the paper's B. @default 640 – the paper's CIFAR setting */
    presampleSize: count.default(640),
    /** Samples fetched while the gate is shut, the paper's b. @default 128 – the paper's CIFAR setting */
    batchSize: count.default(128),
    /** Buffers kept for reuse. @default 2 – one being filled, one in use */
    ringSize: count.default(2),
    /** Buckets, padding and the longest sample, where samples have lengths of their own. */
    lengths: LengthOptions.optional(),
  })
  .refine((o) => o.batchSize <= o.presampleSize, {
    path: ['batchSize'],
    error: 'must be at most `presampleSize`: a batch is drawn from it',
  });

export type PresampleOptions = z.input<typeof PresampleOptions> & {
  /** The columns of a sample; those of the corpus. */
  readonly schema: Schema;
  readonly gate: Gate;
  /** Samples to fetch for the next presample, at most `presampleSize`. @default presampleSize */
  readonly fillSize?: (() => number) | undefined;
  /** Holds a fill back until the trainer is ready for it; without one, fills follow demand. */
  readonly turnstile?: Pick<Turnstile, 'enter' | 'meanwhile'>;
  /** Counts the buffers that are not released yet. */
  readonly inFlight?: InFlight;
  /** Samples at the beginning of the source that waited in an earlier run's buckets. @default 0 */
  readonly rejoined?: number;
  /** Told of each sample that is left out because it is too long (`truncate: 'drop'`). */
  readonly onDrop?: ((id: string, steps: number) => void) | undefined;
  readonly signal?: AbortSignal;
  /** The buffer in whose middle an earlier run stopped: filled again, it comes with the draws that are left. */
  readonly unfinished?: Unfinished | undefined;
};

/** A presample that was drawn from, and not trained on to its end. */
export interface Unfinished {
  /** Samples that were asked for when it was filled. */
  readonly rows: number;
  readonly draws: readonly Draw[];
}

/**
 * Fills buffers of samples: B of them when the gate is open as a fill begins, b when it is shut. Nothing is dropped
 * between fills, and what is left when the source ends is emitted as smaller last buffers.
 *
 * Columns with a time axis are padded with zeros to one length a buffer, and a column `mask` (float32 [rows, T]) is 1 in
 * real steps. With `lengths.boundaries` each buffer holds samples of one bucket: the one that is full first, or whose
 * samples have waited longest where several are.
 *
 * While a step is computed (`turnstile.computing`) the samples of the next fill are taken, as many as it would have if the
 * gate stayed as it is, where the source writes rows. Which samples a buffer has does not depend on it.
 *
 * Memory: one buffer of `presampleSize × bytes a sample` being filled, plus those not yet released downstream; with
 * buckets up to as many samples wait in each.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {ShapeError} when a sample does not match the schema
 * @example
 * for await (const buffer of presample({ schema, gate, presampleSize: 640, batchSize: 128 })(samples)) buffer.release();
 */
export function presample(options: PresampleOptions): Stage<Sample, Presample> {
  const { schema, gate, turnstile, inFlight, signal, fillSize, rejoined = 0, onDrop, unfinished, ...plain } = options;
  const { ringSize, lengths, ...sizes } = parseOptions('presample()', PresampleOptions, plain);
  const { presampleSize, batchSize } = sizes;
  const whole = bufferSchema(schema);
  const ring = new Ring(whole, ringSize);
  const filler = (): Filler =>
    variesInLength(schema) || lengths
      ? new LengthFiller({ schema, ring, sizes, lengths: lengths ?? LengthOptions.parse({}), rejoined, onDrop })
      : new RowFiller(schema, ring, presampleSize);
  filler(); // what is wrong with the options is said at once
  const mostRows = () => Math.min(fillSize?.() ?? presampleSize, presampleSize);

  return async function* (source) {
    const samples = source[Symbol.asyncIterator]();
    const own = filler();
    let begun = unfinished;
    let isWaiting = false;
    turnstile?.meanwhile?.(async () => {
      if (isWaiting) await own.fetchAhead?.(samples, gate.isOpen ? mostRows() : batchSize);
    });
    try {
      for (;;) {
        isWaiting = true;
        await turnstile?.enter(signal);
        isWaiting = false;
        const phase = begun || gate.isOpen ? 'importance' : 'uniform';
        const rows = phase === 'importance' ? (begun?.rows ?? mostRows()) : batchSize;
        const fill = await own.fill(samples, phase, rows);
        if (!fill) return;
        const buffer = new Presample(fill.ids, columnsOf(whole, fill), phase, {
          ...fill,
          rows,
          drawn: begun?.draws,
          recycle: () => {
            ring.giveBack(fill.storage);
            inFlight?.remove(buffer);
          },
        });
        begun = undefined;
        inFlight?.add(buffer);
        yield buffer;
        if (fill.isLast) return;
      }
    } finally {
      await samples.return?.();
    }
  };
}
