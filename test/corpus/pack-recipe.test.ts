import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packRecipe, type PackedPart } from '../../src/corpus/pack-recipe.ts';
import { defineRecipe } from '../../src/corpus/recipe.ts';
import { recordCorpus } from '../../src/corpus/record-corpus.ts';
import { collect, temporaryFolder } from './folders.ts';

const file = (to: string) => ({ entry: to, to, bytes: 1, sha256: '0'.repeat(64) });
const recipeOf = (pack?: Parameters<typeof defineRecipe>[0]['pack']) =>
  defineRecipe({
    name: 'rises',
    licence: 'CC0-1.0',
    package: { registry: 'npm', name: 'rises', version: '1.0.0' },
    files: [file('rises_TRAIN.tsv'), file('rises_TEST.tsv')],
    ...(pack && { pack }),
  });

describe('packRecipe', () => {
  const folder = temporaryFolder();
  const packed = async (recipe: ReturnType<typeof recipeOf>) => {
    const parts: PackedPart[] = [];
    for await (const part of packRecipe(recipe, join(folder.path, 'data'))) parts.push(part);
    return parts;
  };

  it('makes record shards of the parts that the recipe names, once', async () => {
    folder.write('data/rises_TRAIN.tsv', '1\t2\t3\n2\t4\t5\n1\t6\t7\n');
    folder.write('data/rises_TEST.tsv', '1\t8\t9\n');
    const recipe = recipeOf({ train: { include: 'TRAIN' }, all: {} });
    const out = (part: string) => join(folder.path, 'data-packed', part);
    assert.deepEqual(await packed(recipe), [
      { out: out('train'), samples: 3, shards: 1, isNew: true },
      { out: out('all'), samples: 4, shards: 1, isNew: true },
    ]);
    const train = await recordCorpus(out('train'));
    assert.deepEqual(
      (await collect(train.samples({ seed: 0, epochs: 1, shuffle: false }))).map(({ id, y }) => [id, y]),
      [
        ['rises_TRAIN.tsv:0', 0],
        ['rises_TRAIN.tsv:1', 1],
        ['rises_TRAIN.tsv:2', 0],
      ],
    );
    assert.deepEqual(
      (await packed(recipe)).map(({ isNew }) => isNew),
      [false, false],
    );
  });

  it('makes nothing where the recipe asks for nothing, and leaves nothing where it cannot', async () => {
    folder.write('data/rises_TRAIN.tsv', '1\t2\t3\n');
    assert.deepEqual(await packed(recipeOf()), []);
    await assert.rejects(packed(recipeOf({ none: { include: 'NONE' } })), { code: 'ERR_CORPUS' });
    assert.ok(!existsSync(join(folder.path, 'data-packed')));
    assert.throws(() => recipeOf({ '../up': {} }), { code: 'ERR_OPTIONS' });
  });
});
