import type { Scheme } from './scheme.ts';

/**
 * Fetches B samples and trains on b of them at random, without scores: the control that every claim about selection
 * must beat (Balles et al. 2023).
 * @example
 * await fit(model, corpus, { scheme: randomSubset, steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export const randomSubset: Scheme = {
  name: 'random-subset',
  start: () => ({ scorer: null, fetch: 'always', selection: { draw: 'subset' } }),
};
