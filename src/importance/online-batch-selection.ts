import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { loss } from './loss.ts';
import { largestKnown, remembering, rememberingScorer } from './remembered.ts';
import { modelScorer, type Scorer } from './model-scorer.ts';
import type { Scheme } from './scheme.ts';
import { ScoreTable, ScoreTableOptions } from './score-table.ts';

const pressure = z.number().min(1).max(1e12);

export const OnlineBatchSelectionOptions = z.strictObject({
  /** How many times likelier the sample of largest loss is than that of smallest, s_e: at the start and at the end. @default [100, 1] – Loshchilov & Hutter */
  pressure: z.tuple([pressure, pressure]).default([100, 1]),
  /** Presamples between two whose losses are computed anew; 0 never does. @default 20 – guess */
  recomputeEvery: z.int().nonnegative().default(20),
  historyLimit: ScoreTableOptions.shape.historyLimit,
});

/**
 * Draws by the rank of the last known loss, and does not weigh: biased towards hard samples.
 *
 *     p_i ∝ 1 / exp(log(s_e) / B)^rank_i          Loshchilov & Hutter 2015, arXiv:1511.06343
 *
 * with rank 0 the largest loss, and s_e falling exponentially from its first to its last value over the budget.
 *
 * DEVIATION: ranked within presamples of the stream (B for their N), and every `recomputeEvery`-th presample is scored
 * anew, where they recompute the losses of a share of the whole data set.
 * @throws {OptionsError} when an option is out of range
 * @example
 * const scheme = onlineBatchSelection({ pressure: [100, 1] });
 * await fit(model, corpus, { scheme, steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export function onlineBatchSelection(options: z.input<typeof OnlineBatchSelectionOptions> = {}): Scheme {
  const values = parseOptions('onlineBatchSelection()', OnlineBatchSelectionOptions, options);
  const [first, last] = values.pressure;
  const scheme: Scheme = {
    name: 'online-batch-selection',
    score: loss.score!,
    start: ({ head, schema, scoreBatchSize, corpus }) => {
      const table = new ScoreTable({ historyLimit: values.historyLimit, expected: corpus.length });
      const fresh = modelScorer(head, { scheme, schema, scoreBatchSize });
      return {
        scorer: recomputing(rememberingScorer(table, largestKnown), fresh, table, values.recomputeEvery),
        fetch: 'always',
        selection: {
          draw: 'distinct',
          chances: (losses, share) => rankChances(losses, first ** (1 - share) * last ** share),
          weightPower: 0,
        },
        ...remembering(table, loss.score!),
      };
    },
  };
  return scheme;
}

/** Every `every`-th presample is scored by `fresh`, and the table told; the others by memory. */
function recomputing(remembered: Scorer, fresh: Scorer, table: ScoreTable, every: number): Scorer {
  let presamples = 0;
  return {
    async score(presample) {
      presamples += 1;
      if (every === 0 || presamples % every !== 0) return remembered.score(presample);
      const scores = await fresh.score(presample);
      table.update(presample.ids, scores);
      return scores;
    },
  };
}

/** exp(−log(s_e) · rank / B), rank 0 the largest; equal losses keep their order. @returns [B], unnormalised */
export function rankChances(losses: ArrayLike<number> /* [B] */, s: number): Float64Array {
  const order = Array.from(losses, (_, row) => row).toSorted((a, b) => losses[b]! - losses[a]! || a - b);
  const chances = new Float64Array(losses.length);
  order.forEach((row, rank) => (chances[row] = Math.exp((-Math.log(s) * rank) / losses.length)));
  return chances;
}
