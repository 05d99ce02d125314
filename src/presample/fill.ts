import { ShapeError } from '../errors.ts';
import { rowSize, type Column, type Schema } from '../stream/columns.ts';
import type { Phase } from '../stream/gate.ts';
import type { Passed } from '../stream/presample.ts';
import type { Sample } from '../stream/sample.ts';
import { atSteps } from '../stream/steps.ts';
import type { Storage } from './ring.ts';

/** A buffer's samples, written as columns. */
export interface Fill {
  readonly ids: readonly string[];
  readonly storage: Storage;
  /** Steps of columns with a time axis. */
  readonly steps?: number;
  readonly passed: Passed;
  /** Whether the source has ended and nothing waits. */
  readonly isLast: boolean;
  /** What a sample weighs for the buffer that it came in. @default 1 */
  readonly weight?: number;
  /** Samples in a minibatch that is drawn from it. @default the run's b */
  readonly batchSize?: number;
}

/** Takes samples from a source, and makes a buffer of them. */
export interface Filler {
  /** @param rows samples asked for @returns undefined when there are none */
  fill(samples: AsyncIterator<Sample>, phase: Phase, rows: number): Promise<Fill | undefined>;
  /** Takes samples for the next fill before it is asked for, where it can. What fails is thrown by that fill. */
  fetchAhead?(samples: AsyncIterator<Sample>, rows: number): Promise<void>;
}

/** The rows of a fill, as columns. */
export const columnsOf = (schema: Schema, { storage, ids, steps = 0 }: Fill): Record<string, Column> =>
  Object.fromEntries(
    Object.entries(schema).map(([name, spec]) => {
      const fixed = atSteps(spec, steps);
      const data = storage[name]!.subarray(0, ids.length * rowSize(fixed));
      return [name, { type: spec.type, shape: [ids.length, ...fixed.shape], data }];
    }),
  );

/** @throws {ShapeError} when a sample has no id */
export function expectId(sample: Sample): void {
  if (typeof sample?.id === 'string') return;
  throw new ShapeError(
    `presample(): expected a sample \`{ id, ...columns }\` with a string \`id\`, got ${typeof sample?.id}. ` +
      'Give each sample a stable id, such as its shard and index.',
  );
}

/** Where a column's value stands, for messages. */
export const whereIn = (name: string, sample: Sample): string =>
  `presample(): column \`${name}\` of sample ${sample.id}`;
