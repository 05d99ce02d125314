import * as tf from '@tensorflow/tfjs';
import { withHead } from '../../../src/model/pretrained/with-head.ts';
import { withNormalization } from '../../../src/model/pretrained/normalization.ts';
import { createRng } from '../../../src/stream/random.ts';
import type { Corpus } from '../../../src/stream/sample.ts';
import { smallNetwork } from '../../model/pretrained/small-network.ts';

/** Noisy pictures of three colours, each class twice as frequent as the next; counts how many samples were read. */
export function colours(length = 60): { corpus: Corpus; read: () => number } {
  let read = 0;
  const corpus: Corpus = {
    name: 'colours',
    schema: { x: { type: 'uint8', shape: [8, 8, 3] }, y: { type: 'int32', shape: [] } },
    classes: { y: 3 },
    length,
    async *samples({ epochs = Infinity }) {
      for (let epoch = 0; epoch < epochs; epoch++)
        for (let i = 0; i < length; i++) {
          read += 1;
          const rng = createRng(7, 'colours', i);
          const y = [0, 0, 0, 0, 1, 1, 2][i % 7]!;
          const x = Uint8Array.from({ length: 192 }, (_, at) => 60 + 90 * rng.uniform() + (at % 3 === y ? 60 : 0));
          yield { id: `colours:${i}`, x, y };
        }
    },
  };
  return { corpus, read: () => read };
}

/** A small pretrained network with a new head of three classes, compiled. */
export function classifier(metrics: string[] = ['accuracy']): tf.LayersModel {
  const model = withHead(withNormalization(smallNetwork()), { classes: ['red', 'green', 'blue'], seed: 7 });
  model.compile({ optimizer: tf.train.adam(0.01), loss: 'sparseCategoricalCrossentropy', metrics });
  return model;
}

export const weightsOf = (model: tf.LayersModel): Record<string, number[]> =>
  Object.fromEntries(model.weights.map((weight) => [weight.originalName, [...weight.read().dataSync()]]));
