import { loss } from './loss.ts';
import type { Scheme } from './scheme.ts';

/**
 * Trains on the b samples of a presample with the largest losses, unweighted: online hard example mining (Shrivastava et
 * al. 2016, OHEM). Biased towards hard samples, wrong labels among them.
 */
export const hardNegative: Scheme = {
  name: 'hard-negative',
  score: loss.score!,
  start: () => ({ fetch: 'always', selection: { draw: 'top' } }),
};
