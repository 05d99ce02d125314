import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../../../src/errors.ts';
import { installEngine } from '../../../../src/engine/tensorflow/install/install-engine.ts';
import type { InstallWorld } from '../../../../src/engine/tensorflow/install/install-options.ts';
import { findInstallations } from '../../../../src/engine/tensorflow/install/installation.ts';
import { tinyTensorflow, writeWheel } from './fake-wheel.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** A machine that thinks that it has room. */
const world: InstallWorld = {
  target: { platform: 'linux', arch: 'x64' },
  freeBytes: () => Promise.resolve(1e12),
  client: () => Promise.reject(new Error('nobody asks')),
};

describe('installEngine on a disk', () => {
  let mounted = false;
  // before the folder goes, so it stands before it
  afterEach(() => {
    if (mounted) execFileSync('umount', [disk()]);
    mounted = false;
  });
  const folder = temporaryFolder();
  const disk = () => join(folder(), 'disk');

  /** Mounts a small disk, which only root may: others skip. */
  async function mount(test: Mocha.Context, options: string): Promise<void> {
    await mkdir(disk());
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk()], { stdio: 'ignore' });
      mounted = true;
    } catch {
      test.skip();
    }
  }
  const install = async () =>
    installEngine({ cacheDir: disk(), wheel: await writeWheel(folder(), tinyTensorflow()) }, world);

  const refusal = (pattern: RegExp) => (error: unknown) => {
    assert.ok(error instanceof EngineError, String(error));
    assert.match(error.message, pattern);
    return true;
  };

  it('says that it is full when it runs full on the way, and leaves nothing', async function () {
    await mount(this, 'size=12k');
    await assert.rejects(
      install(),
      refusal(/the disk that holds .* is full\. Free some space, or set TAUSTREAM_CACHE/u),
    );
    assert.deepEqual(await findInstallations(disk()), []);
    assert.deepEqual(await readdir(join(disk(), 'tensorflow')), []);
  });

  it('says that a file is in the way', async () => {
    await writeFile(disk(), '');
    await assert.rejects(install(), refusal(/disk.* cannot be written\. Check its permissions/u));
  });

  it('says that it cannot be written', async function () {
    await mount(this, 'size=12k,ro');
    await assert.rejects(
      install(),
      refusal(/disk.* cannot be written\. Check its permissions, or set TAUSTREAM_CACHE/u),
    );
  });
});
