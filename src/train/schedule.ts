import { z } from 'zod';
import { parseOptions } from '../options.ts';

/** How far a run has come. */
export interface Progress {
  /** Steps taken so far. */
  readonly step: number;
  /** Share of the budget used up, 0 to 1, in whichever of steps, epochs and seconds is furthest. */
  readonly share: number;
  /** Seconds since the run started. */
  readonly seconds: number;
}

/** A learning rate as a function of a run's progress. */
export type LearningRate = (progress: Progress) => number;

const warmUp = {
  /** Share of the budget over which the rate rises from 0, in [0, 1). @default 0 */
  warmUp: z.number().min(0).lt(1).default(0),
};
const rate = z.number().positive();

export const ScheduleOptions = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), rate, ...warmUp }),
  z.strictObject({
    kind: z.literal('steps'),
    rate,
    /** Shares of the budget after which the rate falls, each in (0, 1), rising. @default [0.4, 0.8] – the paper's 20,000 and 40,000 of 50,000 */
    at: z.array(z.number().gt(0).lt(1)).default([0.4, 0.8]),
    /** What the rate is multiplied by at each. @default 0.2 – the paper's division by 5 */
    factor: z.number().gt(0).lt(1).default(0.2),
    ...warmUp,
  }),
  z.strictObject({
    kind: z.enum(['cosine', 'linear']),
    rate,
    /** Where the rate ends, as a share of `rate`, in [0, 1]. @default 0 */
    floor: z.number().min(0).max(1).default(0),
    ...warmUp,
  }),
]);

/** A number, a schedule by name, or a function of the progress. */
export type ScheduleOptions = number | z.input<typeof ScheduleOptions> | LearningRate;

/**
 * Makes a learning-rate schedule over a run's budget, be that in steps, epochs or seconds.
 *
 * With p the share of the budget left of what follows the warm-up: `constant` η; `steps` η · factor for each share
 * passed; `linear` η (floor + (1 − floor)(1 − p)); `cosine` η (floor + (1 − floor)(1 + cos πp) / 2).
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @example const rate = schedule({ kind: 'cosine', rate: 2e-3, warmUp: 0.05 });
 */
export function schedule(options: ScheduleOptions): LearningRate {
  if (typeof options === 'function') return options;
  const given = typeof options === 'number' ? ({ kind: 'constant', rate: options } as const) : options;
  const parsed = parseOptions('learningRate', ScheduleOptions, given);
  return ({ share }) => {
    if (share < parsed.warmUp) return parsed.rate * Math.max(share / parsed.warmUp, 0.01);
    return parsed.rate * shapeAt(parsed, share);
  };
}

/** The schedule's factor at a share of the budget, in [0, 1]. */
function shapeAt(parsed: z.output<typeof ScheduleOptions>, share: number): number {
  const p = (share - parsed.warmUp) / (1 - parsed.warmUp);
  switch (parsed.kind) {
    case 'constant':
      return 1;
    case 'steps':
      return parsed.factor ** parsed.at.filter((passed) => share >= passed).length;
    case 'linear':
      return parsed.floor + (1 - parsed.floor) * (1 - p);
    case 'cosine':
      return parsed.floor + ((1 - parsed.floor) * (1 + Math.cos(Math.PI * p))) / 2;
  }
}
