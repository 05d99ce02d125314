import { charLstm, definePipeline, fetchCorpus, textCorpus, withBitsPerCharacter, writeText } from 'taustream';
import { mobyDick } from '../corpora/moby-dick/recipe.ts';

/** A character LSTM learns to write like Herman Melville, in about three minutes on one core. */
export default definePipeline({
  name: 'moby-dick',
  async corpus({ corpusPath }) {
    const path = corpusPath ?? (await fetchCorpus(mobyDick)).files[0]!;
    const text = await textCorpus({ path, window: 64, stride: 32 });
    const { vocabulary } = text;
    return { ...text.split({ validation: 0.05 }), vocabulary, files: { 'vocabulary.json': vocabulary } };
  },
  model: ({ corpus, seed }) => charLstm({ vocabularySize: corpus.vocabulary.size, units: 128, seed }),

  loss: 'sparseCategoricalCrossentropy',
  optimizer: 'adam',
  learningRate: { kind: 'cosine', rate: 0.006, warmUp: 0.05 },
  clipNorm: 1,

  mode: 'paper', // Algorithm 1, so that there is a gate to look at
  presampleSize: 64,
  batchSize: 32,
  // Windows of prose are about equally hard, so τ stays within a thousandth of 1. The gate's own rule, the measured
  // break-even of about 1.6, would rightly keep it shut; this opens it once the model tells hard windows from easy ones.
  tauThreshold: 1.0005,
  seconds: 150,

  validateEvery: 100,
  validationSamples: 256,
  deriveMeasures: withBitsPerCharacter,

  writes: ({ model, corpus, seed }) => {
    const prompt = 'The whale ';
    return writeText(model, corpus.vocabulary, { prompt, length: 500, seed }).then((text) => prompt + text);
  },
});
