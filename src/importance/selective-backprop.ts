import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { loss } from './loss.ts';
import type { Scheme } from './scheme.ts';

export const SelectiveBackpropOptions = z.strictObject({
  /** Power of the percentile, β: a share of 1 / (β + 1) of the samples is kept. @default 1 – Jiang et al. keep 50 % by it */
  beta: z.number().positive().default(1),
  /** Losses that the percentile is taken among. @default 1024 – Jiang et al. */
  windowSize: z.int().positive().default(1024),
});

/**
 * Keeps a sample with a probability that rises with its loss' rank among recent losses, and does not weigh: biased
 * towards hard samples.
 *
 *     P(keep i) = percentile(loss_i)^β          Jiang et al. 2019, arXiv:1910.00762
 *
 * @throws {OptionsError} when an option is out of range
 * @example
 * const scheme = selectiveBackprop({ beta: 2 });
 * await fit(model, corpus, { scheme, steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export function selectiveBackprop(options: z.input<typeof SelectiveBackpropOptions> = {}): Scheme {
  const { beta, windowSize } = parseOptions('selectiveBackprop()', SelectiveBackpropOptions, options);
  return {
    name: 'selective-backprop',
    score: loss.score!,
    start: () => {
      let recent: number[] = [];
      const chances = (losses: Float32Array): number[] => {
        recent = [...recent, ...losses].slice(-windowSize);
        const sorted = Float64Array.from(recent).toSorted();
        return Array.from(losses, (value) => (shareUpTo(sorted, value) / sorted.length) ** beta);
      };
      return { fetch: 'always', selection: { draw: 'keep', chances, weightPower: 0 } };
    },
  };
}

/** How many of the ascending values are at most `value`. */
export function shareUpTo(sorted: ArrayLike<number>, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
