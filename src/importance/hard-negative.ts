import { tripletLossOf } from '../model/embedding-loss.ts';
import { withNegatives } from './distance-weighted.ts';
import { loss } from './loss.ts';
import type { Scheme } from './scheme.ts';

/**
 * Trains on the b samples of a presample with the largest losses, unweighted: online hard example mining (Shrivastava et
 * al. 2016, OHEM). Biased towards hard samples, wrong labels among them.
 *
 * With a `tripletLoss` it takes the semi-hard negatives of each minibatch instead (Schroff et al. 2015).
 * @example
 * await fit(model, corpus, { scheme: hardNegative, steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export const hardNegative: Scheme = {
  name: 'hard-negative',
  score: loss.score!,
  start: ({ head }) => {
    const triplets = tripletLossOf(head.model);
    if (triplets) return { fetch: 'never', ...withNegatives(triplets, 'semi-hard') };
    return { fetch: 'always', selection: { draw: 'top' } };
  },
};
