import type { Presample } from '../stream/presample.ts';
import type { Scorer } from './model-scorer.ts';
import type { HeadScore, SchemeRun } from './scheme.ts';
import { type ScoreTable, type ScoreTableState } from './score-table.ts';

/** What stands in for the score of a sample that was never trained on: by the table, and the presample's known scores. */
export type Unseen = (table: ScoreTable, known: readonly number[]) => number;

/** The mean of the scores that are known in the presample, or else in the table; 1 while nothing is known. */
export const meanOfKnown: Unseen = (table, known) =>
  (known.length > 0 ? known.reduce((sum, score) => sum + score, 0) / known.length : table.mean) || 1;

/** The largest score of the table: every sample is soon trained on once. */
export const largestKnown: Unseen = (table) => table.largest || 1;

/**
 * Scores presamples by what their samples scored when they were last trained on, so that scoring costs a look-up. Any
 * positive probabilities keep the weighted gradient unbiased, however old the scores; only its variance suffers.
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

/** The parts of a run that keep a table up to date by the training steps' own forward passes. */
export const remembering = (
  table: ScoreTable,
  stepScore: HeadScore,
): Required<Pick<SchemeRun, 'stepScore' | 'trained' | 'state' | 'restore'>> => ({
  stepScore,
  trained: (ids, scores) => table.update(ids, scores),
  state: () => table.state(),
  restore: (state) => table.restore(state as ScoreTableState), // what `state` gave
});
