import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryName, writeAtomically } from '../src/atomic-file.ts';
import { temporaryFolder } from './corpus/folders.ts';

describe('writeAtomically', () => {
  const folder = temporaryFolder();

  it('replaces a file as a whole', async () => {
    const path = folder.write('a.json', 'old and long');
    await writeAtomically(path, 'new');
    assert.equal(readFileSync(path, 'utf8'), 'new');
    assert.deepEqual(readdirSync(folder.path), ['a.json']);
  });

  it('leaves no temporary file when it fails', async () => {
    const taken = join(folder.path, 'taken');
    mkdirSync(join(taken, 'full'), { recursive: true });
    await assert.rejects(writeAtomically(taken, 'data'), /EISDIR|ENOTEMPTY|EEXIST|EPERM/);
    assert.deepEqual(readdirSync(folder.path), ['taken']);
  });
});

describe('temporaryName', () => {
  it('is hidden, in the same folder, and never the same twice', () => {
    const [a, b] = [temporaryName('/x/y.json'), temporaryName('/x/y.json')];
    assert.match(a, /[/\\]x[/\\]\.y\.json\.[0-9a-f]{8}\.tmp$/);
    assert.notEqual(a, b);
  });
});
