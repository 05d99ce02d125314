import { shuffle, type Rng } from '../stream/random.ts';

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

/**
 * Draws `count` rows at equal distances along the cumulative distribution, from a random start: row i comes ⌊count g_i⌋
 * or ⌈count g_i⌉ times, and count g_i times on average. So the weights 1 / (B g_i) are as unbiased as with independent
 * draws, and the variance is smaller. Given inclusion probabilities π for g, all rows differ (Madow 1949).
 * @param start where the first lies, as a share of the distance, in [0, 1)
 * @returns rows [count], ascending
 */
export function drawSystematically(g: Float64Array /* [B] */, count: number, start: number): Int32Array {
  const picks = new Int32Array(count);
  const mass = g.reduce((sum, gi) => sum + gi, 0);
  const last = g.findLastIndex((gi) => gi > 0); // rounding must not lead on to rows without mass
  let [row, below] = [0, g[0]!];
  for (let k = 0; k < count; k++) {
    const at = ((start + k) / count) * mass;
    while (below <= at && row < last) below += g[++row]!;
    picks[k] = row;
  }
  return picks;
}

/**
 * The probability of each row to be among `count` different rows: in proportion to g, but at most 1.
 *
 *     π_i = min(1, c g_i),   c such that Σ_i π_i = count
 *
 * Rows without mass fill up the number where there are too few with mass.
 * @returns π [B], sums to `count`
 */
export function inclusionProbabilities(g: Float64Array /* [B] */, count: number): Float64Array {
  const inclusion = new Float64Array(g.length);
  let open = [...g.keys()].filter((row) => g[row]! > 0);
  let left = count;
  while (open.length > 0) {
    const mass = open.reduce((sum, row) => sum + g[row]!, 0);
    const scale = left / mass;
    const sure = open.filter((row) => scale * g[row]! >= 1);
    if (sure.length === 0) {
      for (const row of open) inclusion[row] = scale * g[row]!;
      return inclusion;
    }
    for (const row of sure) inclusion[row] = 1;
    left -= sure.length;
    open = open.filter((row) => inclusion[row] === 0);
  }
  const massless = [...g.keys()].filter((row) => g[row] === 0);
  for (const row of massless) inclusion[row] = Math.max(0, left) / massless.length;
  return inclusion;
}

/** The `count` rows with the largest values, the largest first; of equal ones the earlier. */
export const topRows = (values: ArrayLike<number> /* [B] */, count: number): Int32Array =>
  Int32Array.from(descending(values).slice(0, count));

/** Rows by falling value; of equal ones the earlier first. @returns rows [B] */
export const descending = (values: ArrayLike<number> /* [B] */): number[] =>
  Array.from(values, (_, row) => row).toSorted((a, b) => values[b]! - values[a]! || a - b);

/** `count` different rows of `rows`, every set equally likely. */
export const randomSubset = (rows: number, count: number, rng: Rng): Int32Array =>
  Int32Array.from(
    shuffle(
      Array.from({ length: rows }, (_, row) => row),
      rng,
    ).slice(0, count),
  );
