import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  byteVocabulary,
  CharacterVocabulary,
  loadVocabulary,
  parseVocabulary,
  saveVocabulary,
} from '../../src/corpus/vocabulary.ts';
import { temporaryFolder } from './folders.ts';

const of = (text: string, unknown?: 'error' | 'token') =>
  new CharacterVocabulary(
    Array.from(text, (character) => character.codePointAt(0)!),
    unknown,
  );

describe('CharacterVocabulary', () => {
  it('numbers characters by code point, whatever their order in the text', () => {
    const vocabulary = of('z😀aé—a');
    assert.equal(vocabulary.size, 5);
    assert.deepEqual([...vocabulary.encode('azé—😀')], [0, 1, 2, 3, 4]);
  });

  it('turns ids back into the text they came from', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        assert.equal(of(text).decode(of(text).encode(text)), text);
      }),
      { seed: 1 },
    );
  });

  it('names the place of a character that it does not know', () => {
    assert.throws(() => of('abc').encode('ab!'), {
      code: 'ERR_CORPUS',
      message:
        'encode(text) at character 2: expected one of the vocabulary\'s 3 characters, got "!" (U+0021). ' +
        "Build the vocabulary from all of the text, or with `unknown: 'token'`.",
    });
  });

  it('keeps id 0 for unknown characters when told to', () => {
    const vocabulary = of('ab', 'token');
    assert.equal(vocabulary.size, 3);
    assert.deepEqual([...vocabulary.encode('a?b😀')], [1, 0, 2, 0]);
    assert.equal(vocabulary.decode([1, 0, 2]), 'a\uFFFDb');
  });

  it('refuses ids that are none of its own', () => {
    assert.throws(() => of('ab').decode([0, 2]), { code: 'ERR_CORPUS', message: /expected ids in \[0, 2\), got 2/ });
    assert.throws(() => of('ab', 'token').decode([-1]), { code: 'ERR_CORPUS', message: /got -1/ });
  });
});

describe('byteVocabulary', () => {
  it('numbers the bytes of UTF-8', () => {
    assert.deepEqual([...byteVocabulary.encode('aé')], [0x61, 0xc3, 0xa9]);
    assert.equal(byteVocabulary.decode([0x61, 0xc3, 0xa9]), 'aé');
    assert.equal(byteVocabulary.size, 256);
  });
});

describe('parseVocabulary', () => {
  it('gives back the vocabulary that was saved', () => {
    for (const vocabulary of [of('hello — 😀'), of('hello', 'token'), byteVocabulary]) {
      const loaded = parseVocabulary(JSON.parse(JSON.stringify(vocabulary)));
      assert.deepEqual(loaded.toJSON(), vocabulary.toJSON());
      assert.deepEqual([...loaded.encode('hello')], [...vocabulary.encode('hello')]);
    }
  });

  it('refuses what is not a vocabulary', () => {
    for (const json of [null, {}, { ...byteVocabulary.toJSON(), version: 2 }, { ...of('a').toJSON(), extra: 1 }])
      assert.throws(() => parseVocabulary(json), { code: 'ERR_OPTIONS' });
  });
});

describe('saveVocabulary and loadVocabulary', () => {
  const folder = temporaryFolder();

  it('write one file and read it again', async () => {
    const path = join(folder.path, 'vocabulary.json');
    await saveVocabulary(path, of('abc'));
    await saveVocabulary(path, of('abcd'));
    assert.equal((await loadVocabulary(path)).size, 4);
    assert.deepEqual(readdirSync(folder.path), ['vocabulary.json']);
  });

  it('name a file that is missing or no JSON', async () => {
    const missing = join(folder.path, 'none.json');
    await assert.rejects(loadVocabulary(missing), {
      code: 'ERR_CORPUS',
      message: /none\.json`\): expected .* got ENOENT/,
    });
    const text = folder.write('text.json', 'not json');
    await assert.rejects(loadVocabulary(text), { code: 'ERR_CORPUS', message: /text\.json/ });
  });
});
