import { corpus, definePipeline, fetchCorpus, sequenceClassifier } from 'taustream';
import { japaneseVowels } from '../corpora/japanese-vowels/recipe.ts';

/** Who speaks? An LSTM tells nine men by two vowels, of 7 to 29 steps each. */
export default definePipeline({
  name: 'japanese-vowels',
  async corpus({ corpusPath }) {
    const folder = corpusPath ?? (await fetchCorpus(japaneseVowels)).folder;
    return {
      train: await corpus({ path: folder, include: 'TRAIN' }),
      validation: await corpus({ path: folder, include: 'TEST' }),
    };
  },
  // Shorter utterances are filled up with zeros, which the model does not see: not here, and not where it is used later.
  model: ({ seed }) => sequenceClassifier({ features: 12, classes: 9, units: 64, padding: 0, dropout: 0.5, seed }),

  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  optimizer: 'adam',
  learningRate: { kind: 'cosine', rate: 0.004, warmUp: 0.05 },
  clipNorm: 1,

  presampleSize: 90,
  batchSize: 30,
  tauThreshold: 1.5,
  seconds: 30,
  validations: 3,
});
