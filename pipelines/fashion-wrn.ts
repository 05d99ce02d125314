import { corpus, definePipeline, fetchCorpus, wideResnet } from 'taustream';
import { fashionMnist } from '../corpora/fashion-mnist/recipe.ts';

/** The paper's image experiment in small: a wide ResNet of ten layers on pictures of clothes, in minutes on two cores. */
export default definePipeline({
  name: 'fashion-wrn',
  async corpus({ corpusPath }) {
    const folder = corpusPath ?? (await fetchCorpus(fashionMnist)).folder;
    return {
      train: await corpus({ path: folder, include: 'train' }),
      validation: await corpus({ path: folder, include: 't10k' }),
    };
  },
  model: ({ seed }) =>
    wideResnet({
      depth: 10,
      width: 1,
      inputShape: [28, 28, 1],
      normalise: { mean: 73, deviation: 90 }, // those of the training pixels
      weightDecay: 5e-4,
      seed,
    }),

  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  optimizer: 'momentum',
  learningRate: { kind: 'cosine', rate: 0.1, warmUp: 0.05 },

  presampleSize: 320,
  batchSize: 64,
  tauThreshold: 1.5, // the paper's
  seconds: 300,
  validations: 3,
});
