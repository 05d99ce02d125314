import { gunzipSync } from 'node:zlib';
import { defineRecipe } from '../../src/corpus/recipe.ts';

const DOCUMENTATION = 'usr/share/doc/linux-doc-6.1/Documentation/';

/** The documentation of the Linux kernel as one text, file after file. */
export const kernelDoc = defineRecipe({
  name: 'kernel-doc',
  licence: 'GPL-2.0',
  package: { registry: 'debian', name: 'linux-doc-6.1' },
  files: [
    {
      match: /^usr\/share\/doc\/linux-doc-6\.1\/Documentation\/.*\.rst(\.gz)?$/,
      build: (entries) =>
        Buffer.concat(
          entries.flatMap(({ path, bytes }) => [
            Buffer.from(`.. file: ${path.slice(DOCUMENTATION.length).replace(/\.gz$/, '')}\n\n`),
            path.endsWith('.gz') ? gunzipSync(bytes) : bytes,
            Buffer.from('\n'),
          ]),
        ),
      to: 'documentation.txt',
      bytes: 24_289_886,
      sha256: 'aedebb7d15804acbe29bc3fa816d26cbf9b84d9bed95a5317cdc9881d2d95e70',
    },
  ],
  at: import.meta.url,
});
