import * as tf from '@tensorflow/tfjs';
import { tripletLoss } from '../../src/model/embedding-loss.ts';
import { createRng } from '../../src/stream/random.ts';
import type { Corpus, Sample } from '../../src/stream/sample.ts';

/** Four noisy clusters on a circle, with the same ids and values in every epoch. */
export function clusters(length = 96, options: { ids?: (epoch: number, i: number) => string } = {}): Corpus {
  const { ids = (_, i) => `c:${i}` } = options;
  const rng = createRng(3, 'clusters');
  const rows = Array.from({ length }, () => {
    const label = rng.integer(4);
    const noise = () => 1.3 * (rng.uniform() - 0.5);
    return { x: [Math.cos((label * Math.PI) / 2) + noise(), Math.sin((label * Math.PI) / 2) + noise()], y: label };
  });
  return {
    name: 'clusters',
    schema: { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } },
    length,
    async *samples({ epochs = Infinity }) {
      for (let epoch = 0; epoch < epochs; epoch++)
        for (const [i, row] of rows.entries()) yield { id: ids(epoch, i), ...row } satisfies Sample;
    },
  };
}

/** A small classifier with seeded weights. */
export function classifier(optimizer: tf.Optimizer | string = 'adam'): tf.Sequential {
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 12, activation: 'relu', inputShape: [2], kernelInitializer: seeded(1) }),
      tf.layers.dense({ units: 4, activation: 'softmax', kernelInitializer: seeded(2) }),
    ],
  });
  model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
  return model;
}

/** A small model of embeddings, for the schemes that are made for them. */
export function embedder(): tf.Sequential {
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 12, activation: 'tanh', inputShape: [2], kernelInitializer: seeded(1) }),
      tf.layers.dense({ units: 4, kernelInitializer: seeded(2) }),
    ],
  });
  model.compile({ optimizer: 'adam', loss: tripletLoss({ margin: 0.5 }) });
  return model;
}
