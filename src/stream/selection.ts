/**
 * How minibatches are taken from a scored presample, and what each of their samples weighs. A scheme says it and
 * resample does it, so it is said in plain values: which chance each row has, how rows are drawn by these chances, and
 * how the weights make up for them.
 */
export interface Selection {
  /**
   * - `multinomial`: b rows with replacement, row i with probability p_i.
   * - `systematic`: b rows by one random number; row i comes ⌊b p_i⌋ or ⌈b p_i⌉ times, b p_i times on average.
   * - `distinct`: b different rows; row i comes with probability min(1, c p_i), c such that these sum to b.
   * - `top`: the b rows with the largest chances.
   * - `subset`: b different rows, every set of them equally likely; chances are ignored.
   * - `keep`: each row by itself, with probability p_i; what is kept is trained on in minibatches of b, the last of
   *   which is filled up with rows of weight 0, so that all steps have one shape.
   */
  readonly draw: 'multinomial' | 'systematic' | 'distinct' | 'top' | 'subset' | 'keep';
  /**
   * The rows' chances, by their scores and the share of the run's budget that is used up. For `keep` they are
   * probabilities in [0, 1]; for the others they need not sum to 1. @default the scores themselves
   */
  readonly chances?: (scores: Float32Array /* [B] */, share: number) => ArrayLike<number> /* [B] */;
  /**
   * Power β of the weights 1 / (B p_i): 1 is unbiased for the presample's mean gradient, 0 gives every row weight 1.
   * @default 1, but 0 for `top` and `subset`
   */
  readonly weightPower?: number | ((share: number) => number);
  /**
   * What the weights are divided by when β ≠ 1: their `mean` over the draws that are to be expected, Σ p_i w_i, or the
   * largest of the presample (`max`). @default 'mean'
   */
  readonly weightScale?: 'mean' | 'max';
  /** Samples in a minibatch, by the τ of the presample at hand. @default b */
  readonly size?: (tau: number, presampleSize: number) => number;
}

/** Algorithm 1: with replacement, in proportion to the scores, unbiased. */
export const proportional: Selection = { draw: 'multinomial' };
