import type { Presample } from '../stream/presample.ts';
import type { Scorer } from './model-scorer.ts';
import type { HeadScore, SchemeRun } from './scheme.ts';
import { type ScoreTable, type ScoreTableState } from './score-table.ts';

/** What stands in for the score of a sample that was never trained on: by the table, and the presample's known scores. */
export type Unseen = (table: ScoreTable, known: readonly number[]) => number;

/**
 * The mean of the scores that are known in the presample, or else in the table; 1 while nothing is known.
 * @example
 * meanOfKnown(new ScoreTable(), [1, 3]); // 2
 */
export const meanOfKnown: Unseen = (table, known) =>
  (known.length > 0 ? known.reduce((sum, score) => sum + score, 0) / known.length : table.mean) || 1;

/**
 * The largest score of the table: every sample is soon trained on once.
 * @example
 * largestKnown(new ScoreTable(), [1, 3]); // 1: the table is empty
 */
export const largestKnown: Unseen = (table) => table.largest || 1;

/**
 * Scores presamples by what their samples scored when they were last trained on, so that scoring costs a look-up. Any
 * positive probabilities keep the weighted gradient unbiased, however old the scores; only its variance suffers.
 * @example
 * const table = new ScoreTable();
 * const byMemory = rememberingScorer(table, largestKnown); // a scheme's `scorer`; its `trained` updates the table
 */
export const rememberingScorer = (table: ScoreTable, unseen: Unseen): Scorer => ({
  score: async ({ ids }: Presample) => {
    const known = ids.map((id) => table.get(id));
    const rest = unseen(
      table,
      known.filter((score) => score !== undefined),
    );
    return Float32Array.from(known, (score) => score ?? rest);
  },
});

/**
 * The parts of a run that keep a table up to date by the training steps' own forward passes.
 * @example
 * // draws by the remembered loss, for nothing
 * const table = new ScoreTable({ historyLimit: 100_000 });
 * const memory = remembering(table, schemeOf('loss').score!);
 * const start = () => ({ ...memory, scorer: rememberingScorer(table, meanOfKnown), fetch: 'always' as const });
 * const scheme = { name: 'by-last-loss', start };
 * await fit(model, corpus, { scheme, steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export const remembering = (
  table: ScoreTable,
  stepScore: HeadScore,
): Required<Pick<SchemeRun, 'stepScore' | 'trained' | 'state' | 'restore'>> => ({
  stepScore,
  trained: (ids, scores) => table.update(ids, scores),
  state: () => table.state(),
  restore: (state) => table.restore(state as ScoreTableState), // what `state` gave
});
