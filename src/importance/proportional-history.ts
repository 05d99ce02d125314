import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { loss } from './loss.ts';
import { largestKnown, remembering, rememberingScorer } from './remembered.ts';
import type { Scheme } from './scheme.ts';
import { ScoreTable, ScoreTableOptions } from './score-table.ts';

export const ProportionalHistoryOptions = z.strictObject({
  /** Power of the loss, α: 0 is uniform. @default 0.6 – Schaul et al. */
  alpha: z.number().nonnegative().default(0.6),
  /** Power of the weights at the start, β; it rises linearly to 1 over the budget. @default 0.4 – Schaul et al. */
  beta: z.number().min(0).max(1).default(0.4),
  /** Added to every loss, ε. @default 1e-3 – guess */
  epsilon: z.number().positive().default(1e-3),
  historyLimit: ScoreTableOptions.shape.historyLimit,
});

/**
 * Draws by the loss that a sample had when it was last trained on: prioritised experience replay.
 *
 *     p_i ∝ (loss_i + ε)^α,   w_i = (B p_i)^−β / max_j w_j,   β → 1          Schaul et al. 2015, arXiv:1511.05952
 *
 * Samples not seen yet have the largest loss that is known. Stratified draws, as there: one from each b-th of the mass.
 *
 * DEVIATION: drawn within presamples of the stream, since a stream cannot be asked for a sample by its number.
 * @throws {OptionsError} when an option is out of range
 * @example
 * const scheme = proportionalHistory({ alpha: 0.6 });
 * await fit(model, corpus, { scheme, steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export function proportionalHistory(options: z.input<typeof ProportionalHistoryOptions> = {}): Scheme {
  const values = parseOptions('proportionalHistory()', ProportionalHistoryOptions, options);
  const { alpha, beta, epsilon, historyLimit } = values;
  return {
    name: 'proportional-history',
    score: loss.score!,
    start: ({ corpus }) => {
      const table = new ScoreTable({ historyLimit, expected: corpus.length });
      return {
        scorer: rememberingScorer(table, largestKnown),
        fetch: 'always',
        selection: {
          draw: 'systematic',
          chances: (losses) => Float64Array.from(losses, (value) => (value + epsilon) ** alpha),
          weightPower: (share) => beta + (1 - beta) * share,
          weightScale: 'max',
        },
        ...remembering(table, loss.score!),
      };
    },
  };
}
