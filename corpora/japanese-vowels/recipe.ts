import { defineRecipe } from '../../src/corpus/recipe.ts';

/** Two vowels spoken by nine men: 270 and 370 series of 12 channels and 7 to 29 steps; who speaks is the class. */
export const japaneseVowels = defineRecipe({
  name: 'japanese-vowels',
  licence: 'BSD-3-Clause (the package)',
  package: { registry: 'pypi', name: 'aeon', version: '1.6.0' },
  files: [
    {
      entry: 'aeon/datasets/data/JapaneseVowels/JapaneseVowels_TEST.ts',
      to: 'JapaneseVowels_TEST.ts',
      bytes: 649_132,
      sha256: 'b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462',
    },
    {
      entry: 'aeon/datasets/data/JapaneseVowels/JapaneseVowels_TRAIN.ts',
      to: 'JapaneseVowels_TRAIN.ts',
      bytes: 487_971,
      sha256: '68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd',
    },
  ],
  pack: { train: { include: 'TRAIN' }, test: { include: 'TEST' } },
  at: import.meta.url,
});
