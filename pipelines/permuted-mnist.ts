import { corpus, definePipeline, fetchCorpus, pixelLstm } from 'taustream';
import { mnist } from '../corpora/mnist/recipe.ts';

/**
 * An LSTM reads handwritten digits pixel by pixel, in a random order that never changes. The images are averaged down to
 * 7 × 7, 49 steps, so that a minute is enough; `shrink: 1` is the paper's 784.
 */
export default definePipeline({
  name: 'permuted-mnist',
  async corpus({ corpusPath }) {
    const folder = corpusPath ?? (await fetchCorpus(mnist)).folder;
    return {
      train: await corpus({ path: folder, include: 'train' }),
      validation: await corpus({ path: folder, include: 't10k' }),
    };
  },
  model: ({ seed }) => pixelLstm({ shrink: 4, units: 64, normalise: { mean: 0, deviation: 255 }, seed }),

  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  optimizer: 'adam',
  learningRate: { kind: 'cosine', rate: 0.005, warmUp: 0.05 },
  clipNorm: 1,

  presampleSize: 320,
  batchSize: 64,
  seconds: 120,
  validations: 3,
});
