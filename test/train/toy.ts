import * as tf from '@tensorflow/tfjs';
import { createRng } from '../../src/stream/random.ts';
import type { Corpus, Sample } from '../../src/stream/sample.ts';

/** Four noisy clusters on a circle: most samples are easy, a few lie between clusters. */
export function clusters(length = 500, options: { labelOf?: (i: number, label: number) => number } = {}) {
  const { labelOf = (_, label) => label } = options;
  const seen = { pulled: 0, open: 0 };
  const corpus: Corpus = {
    name: 'clusters',
    schema: { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } },
    length,
    async *samples({ seed, epochs = Infinity }) {
      seen.open += 1;
      try {
        for (let epoch = 0; epoch < epochs; epoch++) {
          const rng = createRng(seed, 'clusters', epoch);
          for (let i = 0; i < length; i++) {
            seen.pulled += 1;
            const label = rng.integer(4);
            const noise = () => 1.3 * (rng.uniform() - 0.5);
            const x = [Math.cos((label * Math.PI) / 2) + noise(), Math.sin((label * Math.PI) / 2) + noise()];
            yield { id: `c:${epoch}:${i}`, x, y: labelOf(i, label) } satisfies Sample;
          }
        }
      } finally {
        seen.open -= 1;
      }
    },
  };
  return { corpus, seen };
}

/** A small classifier with seeded weights. */
export function classifier(optimizer: tf.Optimizer | string = 'adam', metrics: string[] = []): tf.Sequential {
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 12, activation: 'relu', inputShape: [2], kernelInitializer: seeded(1) }),
      tf.layers.dense({ units: 4, activation: 'softmax', kernelInitializer: seeded(2) }),
    ],
  });
  model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', metrics });
  return model;
}
