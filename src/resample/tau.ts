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
 * @example
 * tau([1, 1, 1, 1]); // 1
 * tau([1, 0, 0, 0]); // 2
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

/**
 * Kish's effective sample size: of B scored samples, how many equally weighted ones carry as much information.
 *
 * @example
 * effectiveSampleSize([1, 1, 1, 1]); // 4
 */
export const effectiveSampleSize = (scores: ArrayLike<number> /* [B] */): number => scores.length / tau(scores) ** 2;

/**
 * τ of a draw by any probabilities p, the scores being what the gradients' norms are taken for: √ of uniform's second
 * moment over that of drawing by p with weights 1 / (B p_i).
 *
 *     τ(Ĝ, p)² = B Σ Ĝ_i² / Σ (Ĝ_i² / p_i)
 *
 * For p ∝ Ĝ this is τ(g); for flattened probabilities it is less, and below 1 where p is worse than uniform. Rows that
 * are never drawn count as if they had no gradient.
 * @example
 * tauOfDraw([2, 1, 1], [0.5, 0.25, 0.25]); // 1.06: the same as tau([2, 1, 1])
 * tauOfDraw([2, 1, 1], [0.25, 0.5, 0.25]); // 0.90: worse than uniform
 */
export function tauOfDraw(scores: ArrayLike<number> /* [B] */, p: ArrayLike<number> /* [B] */): number {
  let uniform = 0;
  let drawn = 0;
  for (let i = 0; i < scores.length; i++) {
    if (p[i] === 0) continue;
    uniform += scores[i]! ** 2;
    drawn += scores[i]! ** 2 / p[i]!;
  }
  return drawn === 0 ? 1 : Math.sqrt((scores.length * uniform) / drawn);
}
