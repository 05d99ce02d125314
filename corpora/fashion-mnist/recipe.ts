import { defineRecipe } from '../../src/corpus/recipe.ts';

/** Clothes in ten classes: 60,000 and 10,000 grey images of 28 × 28, in IDX and gzip. Harder than MNIST. */
export const fashionMnist = defineRecipe({
  name: 'fashion-mnist',
  licence: 'MIT',
  package: { registry: 'debian', name: 'dataset-fashion-mnist' },
  files: [
    {
      entry: 'usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz',
      to: 't10k-images-idx3-ubyte.gz',
      bytes: 4_422_079,
      sha256: 'cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa',
    },
    {
      entry: 'usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz',
      to: 't10k-labels-idx1-ubyte.gz',
      bytes: 5_125,
      sha256: '8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05',
    },
    {
      entry: 'usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz',
      to: 'train-images-idx3-ubyte.gz',
      bytes: 26_421_856,
      sha256: 'b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7',
    },
    {
      entry: 'usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz',
      to: 'train-labels-idx1-ubyte.gz',
      bytes: 29_491,
      sha256: '0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056',
    },
  ],
  at: import.meta.url,
});
