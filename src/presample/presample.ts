import { z } from 'zod';
import { ShapeError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { rowSize, type Column, type Schema } from '../stream/columns.ts';
import type { Gate, Turnstile } from '../stream/gate.ts';
import type { InFlight } from '../stream/in-flight.ts';
import { Presample } from '../stream/presample.ts';
import { writeSample, type Sample, type SampleRows, type SampleStream } from '../stream/sample.ts';
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
};

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
  const { schema, gate, turnstile, inFlight, signal, fillSize, ...sizes } = options;
  const { presampleSize, batchSize, ringSize } = parseOptions('presample()', PresampleOptions, sizes);
  const ring = new Ring(schema, presampleSize, ringSize);

  return async function* (source) {
    const samples = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        await turnstile?.enter(signal);
        const phase = gate.isOpen ? 'importance' : 'uniform';
        const rows = phase === 'importance' ? Math.min(fillSize?.() ?? presampleSize, presampleSize) : batchSize;
        const storage = ring.borrow();
        const into = { schema, columns: storage, where: 'presample()' };
        const ids = await (fillsRows(source) ? source.fillRows(into, rows) : takeRows(samples, into, rows));
        const fill = { storage, ids, ended: ids.length < rows };
        if (fill.ids.length === 0) return;
        const columns = viewRows(schema, fill.storage, fill.ids.length);
        const buffer = new Presample(fill.ids, columns, phase, () => {
          ring.giveBack(fill.storage);
          inFlight?.remove(buffer);
        });
        inFlight?.add(buffer);
        yield buffer;
        if (fill.ended) return;
      }
    } finally {
      await samples.return?.();
    }
  };
}

/** Whether a source can write its samples into rows itself, which saves a promise a sample. */
const fillsRows = (
  source: AsyncIterable<Sample>,
): source is AsyncIterable<Sample> & Required<Pick<SampleStream, 'fillRows'>> =>
  'fillRows' in source && typeof source.fillRows === 'function';

/** Takes up to `rows` samples, fewer only at the end, and writes them row after row. @returns their ids */
async function takeRows(samples: AsyncIterator<Sample>, into: SampleRows, rows: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < rows) {
    const next = await samples.next();
    if (next.done) break;
    const sample = next.value;
    if (typeof sample?.id !== 'string')
      throw new ShapeError(
        `presample(): expected a sample \`{ id, ...columns }\` with a string \`id\`, got ${typeof sample?.id}. ` +
          'Give each sample a stable id, such as its shard and index.',
      );
    writeSample(into, ids.length, sample);
    ids.push(sample.id);
  }
  return ids;
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
