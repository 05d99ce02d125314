import type { Scheme } from './scheme.ts';

/** Never scores, so every step is an ordinary one: Algorithm 1 with the gate shut, the baseline. */
export const uniform: Scheme = { name: 'uniform' };
