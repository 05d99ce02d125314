import { createHash } from 'node:crypto';
import { defineRecipe, type CollectedEntry } from '../../src/corpus/recipe.ts';
import { storedZip } from '../../src/corpus/stored-zip.ts';
import { tuxpaint } from '../tuxpaint/recipe.ts';

const STAMPS = 'stamps.zip/';
const FILES = /^stamps\.zip\/(?:animals|food|household|plants|town|vehicles)\//;
const TEST_SHARE = 120 / 397;

/**
 * The six largest classes of the Tux Paint stamps, 397 pictures, in two archives that share none. Of each class, the 30 %
 * whose names have the smallest sha256 are for testing: the same everywhere, whatever a run's seed is.
 */
export const tuxpaintSix = defineRecipe({
  name: 'tuxpaint-six',
  licence: 'GPL-2.0-or-later',
  from: tuxpaint,
  files: [
    {
      match: FILES,
      build: (entries) => storedZip(split(entries).train),
      to: 'train.zip',
      bytes: 12_007_565,
      sha256: 'bdab9bdb64e33a3503244fa9a9f9ffb280d4e204b559f0ef87b3ad2881f7d69f',
    },
    {
      match: FILES,
      build: (entries) => storedZip(split(entries).test),
      to: 'test.zip',
      bytes: 5_239_926,
      sha256: '066c5d365609191bbef4aad4cf545fd9e34751e8a96a4564bc5d3260b7156e90',
    },
  ],
  at: import.meta.url,
});

/** `<class>/<name>`, each class cut by the hashes of these paths. */
function split(entries: readonly CollectedEntry[]): { train: CollectedEntry[]; test: CollectedEntry[] } {
  const classes = new Map<string, CollectedEntry[]>();
  for (const { path, bytes } of entries) {
    const name = path.slice(STAMPS.length);
    const [kind = ''] = name.split('/');
    classes.set(kind, [...(classes.get(kind) ?? []), { path: name, bytes }]);
  }
  const parts: { train: CollectedEntry[]; test: CollectedEntry[] } = { train: [], test: [] };
  for (const members of classes.values()) {
    const byHash = members.toSorted((a, b) => (hashOf(a.path) < hashOf(b.path) ? -1 : 1));
    const tests = Math.round(members.length * TEST_SHARE);
    parts.test.push(...byHash.slice(0, tests));
    parts.train.push(...byHash.slice(tests));
  }
  return { train: parts.train.toSorted(byPath), test: parts.test.toSorted(byPath) };
}

const byPath = (a: CollectedEntry, b: CollectedEntry): number => (a.path < b.path ? -1 : 1);
const hashOf = (path: string): string => createHash('sha256').update(path).digest('hex');
