import { defineRecipe } from '../../src/corpus/recipe.ts';
import { storedZip } from '../../src/corpus/stored-zip.ts';

const STAMPS = 'usr/share/tuxpaint/stamps/';

/** Photos and drawings of the stamps of a painting program, in folders by subject: PNG, most with transparency. */
export const tuxpaint = defineRecipe({
  name: 'tuxpaint',
  licence: 'GPL-2.0-or-later',
  package: { registry: 'debian', name: 'tuxpaint-stamps-default' },
  files: [
    {
      match: /^usr\/share\/tuxpaint\/stamps\/[^/]+\/(?!.*_(mirror|flip)).*\.png$/,
      // <class>/<rest of the path, in one name>
      build: (entries) =>
        storedZip(
          entries.map(({ path, bytes }) => {
            const [kind, ...rest] = path.slice(STAMPS.length).split('/');
            return { path: `${kind}/${rest.join('-')}`, bytes };
          }),
        ),
      to: 'stamps.zip',
      bytes: 24_121_660,
      sha256: 'a87f8c0d6a27952b234546d25d9de065427131ed687b11ad5fece50b30cb7be9',
    },
  ],
  at: import.meta.url,
});
