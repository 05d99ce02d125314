import type { Rng } from '../stream/random.ts';

/**
 * The probabilities that scores stand for.
 *
 *     g_i = Ĝ_i / Σ_j Ĝ_j
 *
 * All-zero scores give the uniform distribution. The sum is taken in double precision.
 * @returns g [B], sums to 1
 */
export function probabilities(scores: ArrayLike<number> /* [B] */): Float64Array {
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += scores[i]!;
  return Float64Array.from({ length: scores.length }, (_, i) => (sum === 0 ? 1 / scores.length : scores[i]! / sum));
}

/**
 * The weight that makes a draw by g unbiased for the presample's mean gradient.
 *
 *     w_i = 1 / (B g_i)          Katharopoulos & Fleuret 2018, Algorithm 1
 *
 * Only samples that can be drawn have one: where g_i = 0 the weight is 0, and so is the sample's gradient.
 * @returns w [B]
 */
export const importanceWeights = (g: Float64Array /* [B] */): Float64Array =>
  g.map((gi) => (gi === 0 ? 0 : 1 / (g.length * gi)));

/**
 * Draws `count` rows with replacement, row i with probability g_i, by inverting the cumulative distribution.
 * @returns rows [count], each in [0, B)
 */
export function drawWithReplacement(g: Float64Array /* [B] */, count: number, rng: Rng): Int32Array {
  const cumulative = new Float64Array(g.length);
  let total = 0;
  for (let i = 0; i < g.length; i++) cumulative[i] = total += g[i]!;
  return Int32Array.from({ length: count }, () => firstAbove(cumulative, rng.uniform() * total));
}

/** The first index whose cumulative mass exceeds `mass`: rows without mass are never found. */
function firstAbove(cumulative: Float64Array, mass: number): number {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cumulative[middle]! > mass) high = middle;
    else low = middle + 1;
  }
  return low;
}
