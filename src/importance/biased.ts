import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { loss } from './loss.ts';
import type { Scheme } from './scheme.ts';

export const BiasedOptions = z.strictObject({
  /** Power of the weights, k: 1 is unbiased; the less, the more the largest losses count. @default 0.5 – the authors' code */
  k: z.number().min(-10).max(1).default(0.5),
});

/**
 * Draws in proportion to the loss and weighs with a power of the unbiased weight, so that large losses count for more:
 * between the mean loss (k = 1) and a soft maximum of it.
 *
 *     p_i ∝ loss_i,   w_i ∝ (1 / (B p_i))^k,   Σ p_i w_i = 1          Katharopoulos & Fleuret 2017, arXiv:1706.00043
 *
 * @throws {OptionsError} when k is out of range
 * @example
 * await fit(model, corpus, { scheme: biased({ k: 0.5 }), steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export function biased(options: z.input<typeof BiasedOptions> = {}): Scheme {
  const { k } = parseOptions('biased()', BiasedOptions, options);
  return { name: 'biased', score: loss.score!, start: () => ({ selection: { draw: 'multinomial', weightPower: k } }) };
}
