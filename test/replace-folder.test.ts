import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replaceFolder } from '../src/replace-folder.ts';

describe('replaceFolder', () => {
  let base: string;
  const folder = async (name: string) => {
    await mkdir(join(base, name));
    await writeFile(join(base, name, 'file'), name);
    return join(base, name);
  };
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'taustream-replace-'));
  });
  afterEach(() => rm(base, { recursive: true }));

  it('puts a folder in the place of another, or of none', async () => {
    await replaceFolder(await folder('first'), join(base, 'place'));
    await replaceFolder(await folder('second'), join(base, 'place'));
    assert.deepEqual(await readdir(base), ['place']);
    assert.equal(await readFile(join(base, 'place', 'file'), 'utf8'), 'second');
  });

  it('leaves the other where it was when the new one cannot take its place', async () => {
    const place = await folder('place');
    await assert.rejects(replaceFolder(join(base, 'nowhere'), place), { code: 'ENOENT' });
    assert.deepEqual(await readdir(base), ['place']);
    assert.equal(await readFile(join(place, 'file'), 'utf8'), 'place');
  });
});
