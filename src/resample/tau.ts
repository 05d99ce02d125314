/**
 * τ: by what factor a uniformly drawn batch would have to grow to give gradients of as little variance as drawing by g.
 *
 *     tau(g) = 1 / sqrt(1 − |g − u|² / |g|²)          Katharopoulos & Fleuret 2018, arXiv:1803.00942, sec. 3.3
 *
 * | paper | here     | unit                        |
 * |-------|----------|-----------------------------|
 * | Ĝ     | `scores` | gradient norm, any factor   |
 * | g     | `g`      | probabilities, sum to 1     |
 * | u     | 1/B      | probability                 |
 *
 * Since |g − u|² = |g|² − 1/B, this is sqrt(B · Σ g²), which is what is computed: it has no difference of near-equal
 * numbers and no division by zero. Range [1, √B]: 1 for a flat g, √B when one sample holds all the mass. Kish's
 * effective sample size of the weights is B / τ².
 *
 * Scores that are all zero say nothing, so g = u and τ = 1.
 */
export function tau(scores: ArrayLike<number> /* [B] */): number {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < scores.length; i++) {
    sum += scores[i]!;
    squares += scores[i]! ** 2;
  }
  return sum === 0 || squares === 0 ? 1 : Math.max(1, Math.sqrt(scores.length * squares) / sum);
}

/** Kish's effective sample size: of B scored samples, how many equally weighted ones carry as much information. */
export const effectiveSampleSize = (scores: ArrayLike<number> /* [B] */): number => scores.length / tau(scores) ** 2;
