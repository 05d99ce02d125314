import type { Scheme } from './scheme.ts';

/**
 * Never scores, so every step is an ordinary one: Algorithm 1 with the gate shut, the baseline.
 * @example
 * await fit(model, corpus, { scheme: 'uniform', steps: 5, batchSize: 32, seed: 7 });
 */
export const uniform: Scheme = { name: 'uniform' };
