import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { withLock } from '../../../../src/engine/tensorflow/install/lock.ts';
import { temporaryFolder } from './temporary-folder.ts';

describe('withLock', () => {
  const folder = temporaryFolder();
  const file = () => join(folder(), 'deep', '.lock');

  it('lets one in at a time', async () => {
    let inside = 0;
    let most = 0;
    const enter = () =>
      withLock(
        file(),
        async () => {
          most = Math.max(most, ++inside);
          for (let i = 0; i < 20; i++) await turn();
          inside--;
        },
        { pollMs: 1 },
      );
    await Promise.all([enter(), enter(), enter(), enter()]);
    assert.equal(most, 1);
    assert.deepEqual(await readdir(join(folder(), 'deep')), []);
  });

  it('is released when the action throws', async () => {
    await assert.rejects(
      withLock(file(), () => Promise.reject(new Error('inside'))),
      /inside/u,
    );
    assert.ok(!existsSync(file()));
  });

  it('takes over a lock whose process is dead', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    await withLock(file(), () => Promise.resolve());
    await writeFile(file(), JSON.stringify({ pid, host: hostname(), key: 'k' }));
    assert.equal(await withLock(file(), () => Promise.resolve(7), { pollMs: 1 }), 7);
    assert.ok(!existsSync(file()));
  });

  it('takes over a lock of another machine that has been silent for long', async () => {
    await withLock(file(), () => Promise.resolve());
    await writeFile(file(), JSON.stringify({ pid: 1, host: 'elsewhere', key: 'k' }));
    const long = new Date(Date.now() - 61_000);
    await utimes(file(), long, long);
    assert.equal(await withLock(file(), () => Promise.resolve(7), { pollMs: 1 }), 7);
  });

  it('waits for a living owner, says so once, and stops waiting on abort', async () => {
    await withLock(file(), () => Promise.resolve());
    const owner = JSON.stringify({ pid: process.pid, host: hostname(), key: 'k' });
    await writeFile(file(), owner);
    const abort = new AbortController();
    const told: string[] = [];
    const waiting = withLock(file(), () => Promise.resolve(), {
      pollMs: 1,
      signal: abort.signal,
      onWait: (held) => {
        told.push(held);
        abort.abort();
      },
    });
    await assert.rejects(waiting, { name: 'AbortError' });
    assert.deepEqual(told, [owner]);
    assert.ok(existsSync(file()));
  });
});
