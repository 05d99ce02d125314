import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createRunFolder } from '../../src/report/run-folder.ts';

describe('createRunFolder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-runs-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('numbers the folders of later runs, also of runs that start at once', async () => {
    const made = await Promise.all(Array.from({ length: 4 }, () => createRunFolder(join(folder, 'runs', 'moby-dick'))));
    assert.deepEqual(made.map((path) => basename(path)).toSorted(), [
      'moby-dick',
      'moby-dick-2',
      'moby-dick-3',
      'moby-dick-4',
    ]);
    assert.deepEqual((await readdir(join(folder, 'runs'))).length, 4);
  });

  it('says where it cannot make one', async () => {
    await writeFile(join(folder, 'file'), '');
    await assert.rejects(createRunFolder(join(folder, 'file', 'run')), {
      code: 'ERR_RUN',
      message: /cannot make the run's folder: .*--out/,
    });
  });
});
