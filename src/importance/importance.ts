import { z } from 'zod';
import { ScoreError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import type { Turnstile } from '../stream/gate.ts';
import type { Presample, Scored } from '../stream/presample.ts';
import type { Stage } from '../stream/stage.ts';
import type { Scorer } from './model-scorer.ts';

export const ImportanceOptions = z.strictObject({
  /**
   * What to do about a score that is NaN, infinite or negative: stop with an error that names the samples, or leave
   * them out of the draw and count them. A sample left out counts as one without gradient.
   * @default 'error'
   */
  onBadScore: z.enum(['error', 'skip']).default('error'),
});

export type ImportanceOptions = z.input<typeof ImportanceOptions> & {
  /** Says how many steps the parameters have taken. */
  readonly turnstile?: Turnstile;
  /** Told the scores of each presample, before anything is drawn. */
  readonly onScores?: (presample: Presample, scores: Float32Array) => void;
  /** Told the ids left out under `onBadScore: 'skip'`. */
  readonly onSkip?: ((ids: readonly string[]) => void) | undefined;
  /** Told how long scoring took. */
  readonly onCost?: (samples: number, milliseconds: number) => void;
};

/**
 * Scores each presample of the importance phase and passes those of the uniform phase on.
 *
 * @throws {ScoreError} when a score is not a number of at least 0 and `onBadScore` is 'error', or there are too few
 * @example
 * for await (const { presample, scores } of importance(scorer)(presamples)) presample.release();
 */
export function importance(scorer: Scorer | undefined, options: ImportanceOptions = {}): Stage<Presample, Scored> {
  const { turnstile, onScores, onSkip, onCost, ...rest } = options;
  const { onBadScore } = parseOptions('importance()', ImportanceOptions, rest);

  const scoreOne = async (presample: Presample, by: Scorer): Promise<Float32Array> => {
    const begun = performance.now();
    const scores = await by.score(presample);
    onCost?.(presample.size, performance.now() - begun);
    const bad = badScores(presample, scores);
    if (bad.length > 0 && onBadScore === 'error') throw badScoreError(presample, scores, bad);
    for (const row of bad) scores[row] = 0;
    if (bad.length > 0) onSkip?.(bad.map((row) => presample.ids[row]!));
    onScores?.(presample, scores);
    return scores;
  };

  return async function* (source) {
    for await (const presample of source) {
      const version = turnstile?.version ?? 0;
      if (presample.phase === 'uniform' || !scorer) {
        yield { presample, version };
        continue;
      }
      try {
        const scoredBy = scorer.versionOf?.(presample) ?? version;
        yield { presample, version: scoredBy, scores: await scoreOne(presample, scorer) };
      } catch (error) {
        presample.dispose();
        throw error;
      }
    }
  };
}

/** Rows whose score is no number of at least 0. */
function badScores(presample: Presample, scores: Float32Array): number[] {
  if (scores.length !== presample.size)
    throw new ScoreError(
      `importance(): expected ${presample.size} scores, one a sample, got ${scores.length}. Return one score for each id.`,
      { expected: presample.size, got: scores.length },
    );
  return [...scores.keys()].filter((row) => !(scores[row]! >= 0 && scores[row]! < Infinity));
}

function badScoreError(presample: Presample, scores: Float32Array, bad: readonly number[]): ScoreError {
  const named = bad.slice(0, 5).map((row) => `${presample.ids[row]} (${scores[row]})`);
  return new ScoreError(
    `importance(): expected finite scores of at least 0, got ${bad.length} of ${scores.length} that are not: ${named.join(', ')}${bad.length > 5 ? ', ...' : ''}. ` +
      "Look for NaN in these samples, lower the learning rate or clip gradients, or set `onBadScore: 'skip'`.",
    { ids: bad.map((row) => presample.ids[row]) },
  );
}
