import type { Scheme } from './scheme.ts';

/**
 * Scores a sample by the upper bound of its gradient's norm, up to a factor that all samples share.
 *
 *     Ĝ_i = ‖Σ'_L(x_i^(L)) ∇_{x_i^(L)} L_i‖₂          Katharopoulos & Fleuret 2018, eq. (20)
 *
 * That is the norm of the gradient of the sample's loss with respect to the last layer's pre-activation: for softmax
 * cross-entropy ‖softmax(z_i) − onehot(y_i)‖₂. One forward pass gives it.
 * @example
 * // a scheme of one's own by the same score: half of the draw is uniform
 * const chances = (scores: Float32Array) => {
 *   const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
 *   return scores.map((score) => score + mean);
 * };
 * const start = () => ({ selection: { draw: 'systematic' as const, chances } });
 * const scheme = { name: 'half-uniform', score: upperBound.score!, start };
 * await fit(model, corpus, { scheme, steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export const upperBound: Scheme = {
  name: 'upper-bound',
  score: (head, z, y, mask) => head.gradientNorm(z, y, mask),
};
