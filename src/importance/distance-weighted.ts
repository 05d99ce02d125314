import { ModelError } from '../errors.ts';
import { tripletLossOf, type Negatives, type TripletLoss } from '../model/embedding-loss.ts';
import type { Scheme, SchemeRun } from './scheme.ts';

/**
 * For embeddings: an anchor's negatives are taken in proportion to 1 / density of their distance, so near and far ones
 * come alike, where uniform ones nearly all lie √2 away. Samples come as the stream gives them; the negatives are chosen
 * in the minibatch, by the model's `tripletLoss`, which says the formula.          Wu et al. 2017, arXiv:1706.07567
 * @example
 * const embedding = tf.sequential({ layers: [tf.layers.dense({ units: 8, inputShape: [2] })] });
 * embedding.compile({ optimizer: 'sgd', loss: marginLoss() });
 * await fit(embedding, corpus, { scheme: distanceWeighted, steps: 5, batchSize: 32, seed: 7 });
 */
export const distanceWeighted: Scheme = {
  name: 'distance-weighted',
  start: ({ head }) => {
    const loss = tripletLossOf(head.model);
    if (!loss)
      throw new ModelError(
        'Scheme `distance-weighted`: expected a model of embeddings with `tripletLoss()`, got another loss. ' +
          'Compile the model with it, or choose a scheme for losses of single samples.',
      );
    return { fetch: 'never', ...withNegatives(loss, 'distance-weighted') };
  },
};

/** Sets which negatives a loss takes until the run ends. */
export function withNegatives(loss: TripletLoss, negatives: Negatives): Pick<SchemeRun, 'dispose'> {
  const own = loss.negatives;
  loss.negatives = negatives;
  return { dispose: () => void (loss.negatives = own) };
}
