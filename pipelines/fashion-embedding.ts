import * as tf from '@tensorflow/tfjs';
import { corpus, definePipeline, fetchCorpus, marginLoss, recallAt1, smallCnn, type Corpus } from 'taustream';
import { fashionMnist } from '../corpora/fashion-mnist/recipe.ts';

/**
 * Pictures of clothes become points on a sphere, those of a kind near each other. Which negatives an anchor is held
 * against decides how well: `--scheme distance-weighted` (the default here), `hard-negative`, or `uniform` for all alike.
 *
 *     npx taustream compare pipelines/fashion-embedding.ts --schemes uniform,hard-negative,distance-weighted
 */
export default definePipeline({
  name: 'fashion-embedding',
  async corpus({ corpusPath }) {
    const folder = corpusPath ?? (await fetchCorpus(fashionMnist)).folder;
    return {
      train: await corpus({ path: folder, include: 'train' }),
      validation: await corpus({ path: folder, include: 't10k' }),
    };
  },
  // The last layer's values are not classes here, but coordinates.
  model: ({ seed }) => smallCnn({ classes: 32, logits: true, normalise: { mean: 0, deviation: 255 }, seed }),

  loss: marginLoss(),
  metrics: [recallAt1],
  optimizer: 'adam',
  learningRate: { kind: 'cosine', rate: 2e-3, warmUp: 0.05 },

  scheme: 'distance-weighted',
  batchSize: 128,
  presampleSize: 128,
  seconds: 60,
  validateEvery: 200,
  validationSamples: 1000,
  scoreBatchSize: 250, // recall@1 is that among so many

  async writes({ model, corpus: { validation } }) {
    const { x, y } = await first(validation, 2000);
    const recall = tf.tidy(() => tf.mean(recallAt1(y, model.predict(x) as tf.Tensor)).dataSync()[0]!); // one output
    tf.dispose([x, y]);
    return `recall@1 among 2,000 test images: ${(100 * recall).toFixed(1)} %`;
  },
});

/** The first images and their classes. @returns owned by the caller */
async function first(images: Corpus, count: number): Promise<{ x: tf.Tensor; y: tf.Tensor }> {
  const [pixels, classes]: [number[], number[]] = [[], []];
  for await (const { x, y } of images.samples({ seed: 0, epochs: 1, shuffle: false })) {
    for (const value of x as Uint8Array) pixels.push(value); // as the images' schema has it
    if (classes.push(Number(y)) === count) break;
  }
  return { x: tf.tensor(pixels, [classes.length, 28, 28, 1]), y: tf.tensor1d(classes, 'int32') };
}
