/** Scores of samples and what they should be. */
export interface ScoredTargets {
  /** [n, C] */
  readonly scores: ArrayLike<number>;
  /** Rows of probabilities, each times the sample's weight, [n, C]. */
  readonly targets: ArrayLike<number>;
}

/** Beyond it softmax is certain of every answer, and cross-entropy of targets that are certain has no minimum. */
const MOST = 30;

/**
 * The factor s at which the cross-entropy of softmax(s · scores) is least, in (0, 30]: a temperature of 1 / s. The
 * cross-entropy is convex in s, so its slope is brought to zero by halving.
 */
export function leastCrossEntropyScale(batches: readonly ScoredTargets[], classes: number): number {
  let [low, high] = [0, MOST];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    const slope = batches.reduce((sum, batch) => sum + slopeAt(middle, batch, classes), 0);
    [low, high] = slope < 0 ? [middle, high] : [low, middle];
  }
  return high;
}

/** d/ds Σ_i Σ_k −t_ik log softmax(s f_i)_k = Σ_i Σ_k (c_i softmax(s f_i)_k − t_ik) f_ik,   c_i = Σ_k t_ik */
function slopeAt(scale: number, { scores, targets }: ScoredTargets, classes: number): number {
  let slope = 0;
  for (let row = 0; row < scores.length; row += classes) {
    let [most, total, weight, expected] = [-Infinity, 0, 0, 0];
    for (let k = row; k < row + classes; k++) most = Math.max(most, scores[k]!);
    for (let k = row; k < row + classes; k++) {
      const odds = Math.exp(scale * (scores[k]! - most));
      total += odds;
      expected += odds * scores[k]!;
      weight += targets[k]!;
      slope -= targets[k]! * scores[k]!;
    }
    slope += (weight * expected) / total;
  }
  return slope;
}
