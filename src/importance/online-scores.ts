import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { meanOfKnown, remembering, rememberingScorer } from './remembered.ts';
import type { Scheme } from './scheme.ts';
import { ScoreTable, ScoreTableOptions } from './score-table.ts';
import { upperBound } from './upper-bound.ts';

export const OnlineScoresOptions = z.strictObject({
  historyLimit: ScoreTableOptions.shape.historyLimit,
  /** Weight of the past when a score is updated, m in [0, 1). @default 0 – the last score alone */
  memory: ScoreTableOptions.shape.memory,
  /** Share of the draw that is uniform, λ: so a score remembered as 0 can rise again. @default 0.1 – guess */
  uniformShare: z.number().gt(0).max(1).default(0.1),
});

/**
 * Draws in proportion to remembered gradient bounds: every training step's forward pass gives its samples' scores anew,
 * so scoring costs nothing. Unbiased: weights 1 / (B p_i) for the probabilities drawn by.
 *
 *     s_i ← m s_i + (1 − m) Ĝ_i at each visit,   p_i ∝ (1 − λ) s_i + λ mean(s)          Salaün et al. 2023, arXiv:2311.14468
 *
 * Samples not seen yet take the mean of those known in the presample. Ids must be the same in every epoch.
 *
 * DEVIATION: drawn within presamples of the stream, not from the whole data set.
 * @throws {OptionsError} when an option is out of range
 * @throws {HistoryError} in the run, when the corpus outgrows `historyLimit` or its ids are not stable
 * @example
 * const scheme = onlineScores({ uniformShare: 0.1 });
 * await fit(model, corpus, { scheme, steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export function onlineScores(options: z.input<typeof OnlineScoresOptions> = {}): Scheme {
  const { uniformShare, ...table } = parseOptions('onlineScores()', OnlineScoresOptions, options);
  return {
    name: 'online-scores',
    score: upperBound.score!,
    start: ({ corpus }) => {
      const scores = new ScoreTable({ ...table, expected: corpus.length });
      return {
        scorer: rememberingScorer(scores, meanOfKnown),
        fetch: 'always',
        selection: { draw: 'systematic', chances: (known) => mixed(known, uniformShare) },
        ...remembering(scores, upperBound.score!),
      };
    },
  };
}

/** (1 − λ) s + λ mean(s): the draw's share of λ is uniform. */
const mixed = (scores: Float32Array, lambda: number): Float32Array => {
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  return scores.map((score) => (1 - lambda) * score + lambda * mean);
};
