import { corpus, definePipeline, fetchCorpus, sequenceClassifier } from 'taustream';
import { electricDevices } from '../corpora/electric-devices/recipe.ts';

/** Which appliance was that? An LSTM tells seven kinds by how much electricity they used over a day. */
export default definePipeline({
  name: 'electric-devices',
  async corpus({ corpusPath }) {
    const folder = corpusPath ?? (await fetchCorpus(electricDevices)).folder;
    // The archive's own split: the test households are others than those that are trained on.
    return {
      train: await corpus({ path: folder, include: 'TRAIN' }),
      validation: await corpus({ path: folder, include: 'TEST' }),
    };
  },
  model: ({ seed }) => sequenceClassifier({ features: 1, steps: 96, patch: 2, classes: 7, units: 64, seed }),

  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  optimizer: 'adam',
  learningRate: { kind: 'cosine', rate: 0.004, warmUp: 0.05 },
  clipNorm: 1,

  presampleSize: 320,
  batchSize: 64,
  seconds: 120,
  validations: 3,
});
