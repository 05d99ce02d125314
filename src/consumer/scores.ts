import { ScoreError } from '../errors.ts';

/**
 * Checks scores that came from outside: one a sample, each a finite number of at least 0.
 * @returns a copy
 * @throws {ScoreError} naming what is wrong and with which samples
 */
export function expectScores(where: string, ids: readonly string[], scores: ArrayLike<number>): Float32Array {
  if (scores?.length !== ids.length)
    throw new ScoreError(
      `${where}: expected ${ids.length} scores, one a sample, got ${scores?.length ?? 'none'}. Give one for each id, in their order.`,
      { expected: ids.length, got: scores?.length },
    );
  const copy = Float32Array.from(scores);
  const bad = ids.filter((_, row) => !(copy[row]! >= 0 && copy[row]! < Infinity));
  if (bad.length === 0) return copy;
  const named = bad.slice(0, 5).map((id) => `${id} (${copy[ids.indexOf(id)]})`);
  throw new ScoreError(
    `${where}: expected finite scores of at least 0, got ${bad.length} of ${ids.length} that are not: ${named.join(', ')}${bad.length > 5 ? ', ...' : ''}. ` +
      'Look for NaN in the model that scored them.',
    { ids: bad },
  );
}
