import { z } from 'zod';
import { parseOptions } from '../options.ts';
import type { Scheme } from './scheme.ts';
import { upperBound } from './upper-bound.ts';

export const ConstantVarianceOptions = z.strictObject({
  /** Samples scored beyond b, as a share of b. @default 0.2 – the authors' code */
  extraSamples: z.number().nonnegative().default(0.2),
  /** Sizes that a minibatch may have, so that an engine compiles few shapes. @default 8 – guess */
  sizes: z.int().positive().default(8),
});

/**
 * Trains on fewer samples for the variance that b uniform ones would have: the authors' ConstantVarianceImportanceTraining.
 *
 *     B = (1 + e) b samples are scored;   a = b / τ² of them are drawn by g, weights 1 / (B g_i)
 *
 * | e | `extraSamples` | a | samples in a minibatch, rounded up to an eighth of b |
 *
 * It pays where B f + (b / τ²) s < b s, f and s being the cost of scoring and of training on a sample; the gate asks so.
 * @throws {OptionsError} when an option is out of range
 * @example
 * await fit(model, corpus, { scheme: constantVariance(), steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export function constantVariance(options: z.input<typeof ConstantVarianceOptions> = {}): Scheme {
  const { extraSamples, sizes } = parseOptions('constantVariance()', ConstantVarianceOptions, options);
  return {
    name: 'constant-variance',
    score: upperBound.score!,
    start: ({ batchSize: b }) => {
      const presampleSize = Math.ceil((1 + extraSamples) * b);
      const size = (tau: number) => Math.min(b, Math.ceil((sizes / tau ** 2) * (1 - 1e-9)) * Math.ceil(b / sizes));
      return {
        presampleSize,
        selection: { draw: 'multinomial', size },
        breakEven: ({ score, step }) =>
          presampleSize * score < b * step ? Math.sqrt((b * step) / (b * step - presampleSize * score)) : Infinity,
      };
    },
  };
}
