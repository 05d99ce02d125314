import type { Scheme } from './scheme.ts';

/**
 * Scores a sample by its loss: Algorithm 1 with g ∝ loss_i, the paper's baseline.
 *
 * Losses below zero, which some loss functions give, count as their distance from zero.
 * @example
 * await fit(model, corpus, { scheme: 'loss', steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export const loss: Scheme = {
  name: 'loss',
  score: (head, z, y, mask) => head.perSampleLoss(z, y, mask).abs(),
};
