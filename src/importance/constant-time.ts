import { z } from 'zod';
import { parseOptions } from '../options.ts';
import type { Scheme } from './scheme.ts';
import { upperBound } from './upper-bound.ts';

export const ConstantTimeOptions = z.strictObject({
  /** Cost of a backward pass, in forward passes. @default 2 – the authors' code */
  backwardTime: z.number().positive().default(2),
  /** Share of the time saved by a smaller minibatch that goes into scoring more samples. @default 0.5 – the authors' code */
  ratio: z.number().min(0).max(1).default(0.5),
  /** The smallest minibatch, as a share of b. @default 0.2 – the authors' code */
  smallest: z.number().gt(0).max(1).default(0.2),
});

/**
 * Takes steps as long as uniform ones, the time of which it divides between scoring and training: the authors'
 * ConstantTimeImportanceTraining.
 *
 *     t = (1 + c) b;   a = max(m b, b / τ);   B = ⌊b + (t − (1 + c) a − b) r⌋;   a = ⌊(t − B) / (1 + c)⌋
 *
 * | c | `backwardTime` | r | `ratio` | m | `smallest` | B | samples scored | a | samples trained on |
 *
 * Both are rounded to eighths of b, so that an engine compiles few shapes. As in their code the gate opens at τ > 2 by
 * default, whatever is measured, since a step costs the same.
 * @throws {OptionsError} when an option is out of range
 * @example
 * await fit(model, corpus, { scheme: constantTime({ ratio: 0.5 }), steps: 5, batchSize: 32, seed: 7 });
 */
export function constantTime(options: z.input<typeof ConstantTimeOptions> = {}): Scheme {
  const parsed = parseOptions('constantTime()', ConstantTimeOptions, options);
  return {
    name: 'constant-time',
    score: upperBound.score!,
    start: ({ batchSize: b }) => {
      const largest = Math.max(b, constantTimeSizes(b, Infinity, parsed).scored);
      return {
        presampleSize: largest,
        fillSize: (tau) => constantTimeSizes(b, tau, parsed).scored,
        selection: {
          draw: 'multinomial',
          size: (_tau, presampleSize) => trainedAfter(b, presampleSize, parsed.backwardTime),
        },
        breakEven: () => 2,
      };
    },
  };
}

/** How many samples are scored and trained on, by the smoothed τ. */
export function constantTimeSizes(
  b: number,
  tau: number,
  { backwardTime: c, ratio, smallest }: z.output<typeof ConstantTimeOptions>,
): { scored: number; trained: number } {
  const time = (1 + c) * b;
  const few = Math.max(smallest * b, b / tau);
  const eighth = Math.max(1, Math.floor(b / 8));
  const scored = Math.max(eighth, Math.floor((b + (time - (1 + c) * few - b) * ratio) / eighth) * eighth);
  return { scored, trained: trainedAfter(b, scored, c) };
}

/** Samples that can be trained on in what scoring leaves of a uniform step's time. */
const trainedAfter = (b: number, scored: number, c: number): number => {
  const eighth = Math.max(1, Math.floor(b / 8));
  return Math.max(eighth, Math.floor(((1 + c) * b - scored) / (1 + c) / eighth) * eighth);
};
