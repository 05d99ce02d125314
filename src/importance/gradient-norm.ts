import { exactNorms } from '../model/gradient-norms.ts';
import { modelScorer } from './model-scorer.ts';
import type { Scheme } from './scheme.ts';
import { upperBound } from './upper-bound.ts';

/**
 * Scores a sample by the norm of its own loss' gradient with respect to all trained parameters: what the upper bound
 * stands in for, the paper's oracle. It costs a backward pass as well, so it is for comparison.
 *
 * A uniform step's own τ is estimated by the upper bound, since the step does not part its gradient by samples.
 * @example
 * await fit(model, corpus, { scheme: gradientNorm, steps: 5, batchSize: 32, presampleSize: 128, seed: 7 });
 */
export const gradientNorm: Scheme = {
  name: 'gradient-norm',
  score: upperBound.score!,
  scorer: (head, { schema, scoreBatchSize }) => {
    const norms = exactNorms(head);
    return modelScorer(head, {
      schema,
      scoreBatchSize: Math.min(scoreBatchSize, norms.batchSize),
      scoreBatch: (inputs, targets, mask) => norms.of(inputs, targets, mask),
      name: 'gradient-norm',
    });
  },
};
