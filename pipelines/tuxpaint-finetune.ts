import {
  definePipeline,
  fetchCorpus,
  imageDetails,
  imageReport,
  labelledImages,
  pretrained,
  withHead,
} from 'taustream';
import { imageNetClasses } from '../corpora/tuxpaint-six/imagenet-classes.ts';
import { tuxpaintSix } from '../corpora/tuxpaint-six/recipe.ts';

/** What the network takes. Stamps are of all forms: cut to a square many would lose their ends, so they are padded. */
const image = { height: 224, width: 224, fit: 'contain' } as const;

/**
 * A CNN that was pretrained on ImageNet learns to tell six kinds of stamps of a painting program: first a new head, then
 * its last blocks. `--corpus my-photos/` trains it on a folder, or zips, of photos in a folder a class.
 */
export default definePipeline({
  name: 'tuxpaint-finetune',
  async corpus({ corpusPath }) {
    const path = corpusPath ?? (await fetchCorpus(tuxpaintSix)).folder;
    return labelledImages(path, { image });
  },
  async model({ corpus, seed }) {
    const network = await pretrained('efficientnet-lite0', { image: corpus.image });
    const classes = [...corpus.classNames];
    const known = Object.entries(imageNetClasses(imageDetails(network).classNames!)); // it has them all
    const oldClasses = Object.fromEntries(known.filter(([name]) => classes.includes(name)));
    return withHead(network, {
      classes,
      features: ['block_14', 'block_15', 'features'],
      ...(Object.keys(oldClasses).length > 0 && { oldClasses }),
      seed,
    });
  },

  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  optimizer: 'adam',
  presampleSize: 64,
  batchSize: 16,
  averaging: 0.98,
  steps: 420,
  fineTuning: {
    augment: {
      flip: 0.5,
      resizedCrop: { scale: [0.7, 1] },
      jitter: { brightness: 0.2, contrast: 0.2, saturation: 0.2 },
      fill: 255,
    },
    labelSmoothing: 0.1,
    classWeights: 'balanced',
    rounds: [
      { train: 'head', ridge: 0.1, steps: 20, views: 2, learningRate: 1e-4 },
      { train: 5, views: 6, trunkRate: 0.5, learningRate: { kind: 'cosine', rate: 3e-4 } },
    ],
  },
  validations: 3,

  writes: ({ model, corpus, folder }) => imageReport(model, { folder, corpora: [corpus.train, corpus.validation] }),
});
