import { z } from 'zod';
import { ShapeError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { rowSize, writeRow, type Column, type Schema } from '../stream/columns.ts';
import type { Gate, Turnstile } from '../stream/gate.ts';
import type { Draw } from '../stream/minibatch.ts';
import type { InFlight } from '../stream/in-flight.ts';
import { Presample } from '../stream/presample.ts';
import type { Sample } from '../stream/sample.ts';
import type { Stage } from '../stream/stage.ts';
import { Ring, type Storage } from './ring.ts';

const count = z.int().positive();

export const PresampleOptions = z
  .strictObject({
    /** Samples fetched while the gate is open, the paper's B. @default 640 – the paper's CIFAR setting */
    presampleSize: count.default(640),
    /** Samples fetched while the gate is shut, the paper's b. @default 128 – the paper's CIFAR setting */
    batchSize: count.default(128),
    /** Buffers kept for reuse. @default 2 – one being filled, one in use */
    ringSize: count.default(2),
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
  readonly turnstile?: Turnstile;
  /** Counts the buffers that are not released yet. */
  readonly inFlight?: InFlight;
  readonly signal?: AbortSignal;
  /** The buffer in whose middle an earlier run stopped: the first `size` samples make it again, with the draws that are left. */
  readonly unfinished?: Unfinished | undefined;
};

/** A presample that was drawn from, and not trained on to its end. */
export interface Unfinished {
  /** Samples in it. */
  readonly size: number;
  readonly draws: readonly Draw[];
}

/**
 * Fills buffers of samples: B of them when the gate is open as a fill begins, b when it is shut. Nothing is dropped
 * between fills, and what is left when the source ends is emitted as a smaller last buffer.
 *
 * Memory: one buffer of `presampleSize × bytes a sample` being filled, plus those not yet released downstream.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {ShapeError} when a sample does not match the schema
 * @example
 * for await (const buffer of presample({ schema, gate, presampleSize: 640, batchSize: 128 })(samples)) buffer.release();
 */
export function presample(options: PresampleOptions): Stage<Sample, Presample> {
  const { schema, gate, turnstile, inFlight, signal, fillSize, unfinished, ...sizes } = options;
  const { presampleSize, batchSize, ringSize } = parseOptions('presample()', PresampleOptions, sizes);
  const ring = new Ring(schema, presampleSize, ringSize);

  return async function* (source) {
    const samples = source[Symbol.asyncIterator]();
    let begun = unfinished;
    try {
      for (;;) {
        await turnstile?.enter(signal);
        const phase = begun || gate.isOpen ? 'importance' : 'uniform';
        const open = begun ? begun.size : Math.min(fillSize?.() ?? presampleSize, presampleSize);
        const fill = await fillBuffer(samples, schema, ring.borrow(), phase === 'importance' ? open : batchSize);
        if (fill.ids.length === 0) return;
        const columns = viewRows(schema, fill.storage, fill.ids.length);
        const recycle = () => {
          ring.giveBack(fill.storage);
          inFlight?.remove(buffer);
        };
        const buffer = new Presample(fill.ids, columns, phase, recycle, begun?.draws);
        begun = undefined;
        inFlight?.add(buffer);
        yield buffer;
        if (fill.ended) return;
      }
    } finally {
      await samples.return?.();
    }
  };
}

interface Fill {
  readonly storage: Storage;
  readonly ids: string[];
  readonly ended: boolean;
}

/** Takes up to `rows` samples and writes their columns, row after row. */
async function fillBuffer(
  samples: AsyncIterator<Sample>,
  schema: Schema,
  storage: Storage,
  rows: number,
): Promise<Fill> {
  const columns = Object.entries(schema);
  const ids: string[] = [];
  while (ids.length < rows) {
    const next = await samples.next();
    if (next.done) return { storage, ids, ended: true };
    const sample = next.value;
    if (typeof sample?.id !== 'string')
      throw new ShapeError(
        `presample(): expected a sample \`{ id, ...columns }\` with a string \`id\`, got ${typeof sample?.id}. ` +
          'Give each sample a stable id, such as its shard and index.',
      );
    for (const [name, spec] of columns)
      writeRow(
        storage[name]!,
        spec,
        ids.length,
        sample[name],
        `presample(): column \`${name}\` of sample ${sample.id}`,
      );
    ids.push(sample.id);
  }
  return { storage, ids, ended: false };
}

/** The first `rows` rows of the storage, as columns. */
const viewRows = (schema: Schema, storage: Storage, rows: number): Record<string, Column> =>
  Object.fromEntries(
    Object.entries(schema).map(([name, spec]) => [
      name,
      {
        type: spec.type,
        shape: [rows, ...spec.shape],
        data: storage[name]!.subarray(0, rows * rowSize(spec)),
      },
    ]),
  );
