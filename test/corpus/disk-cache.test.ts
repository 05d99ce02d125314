import assert from 'node:assert/strict';
import { readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import promises, { writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { DiskCache } from '../../src/corpus/disk-cache.ts';
import { temporaryFolder } from './folders.ts';

/** Counts how often a folder is listed meanwhile. */
async function listings(work: () => Promise<void>): Promise<number> {
  const { readdir } = promises;
  let count = 0;
  const counting = (...given: Parameters<typeof readdir>) => {
    count += 1;
    return readdir(...given);
  };
  Object.assign(promises, { readdir: counting });
  syncBuiltinESMExports();
  try {
    await work();
  } finally {
    Object.assign(promises, { readdir });
    syncBuiltinESMExports();
  }
  return count;
}

describe('DiskCache', () => {
  const folder = temporaryFolder();
  const make = (path: string) => writeFile(path, Buffer.alloc(100));
  const bytesIn = (cache: DiskCache) =>
    readdirSync(cache.folder).reduce((sum, name) => sum + statSync(join(cache.folder, name)).size, 0);

  it('lists its folder once for a sixteenth of its limit, however many caches write to it', async () => {
    const limit = 16_000; // 160 files; a sixteenth is 10 of them
    const count = await listings(async () => {
      for (let i = 0; i < 480; i++) {
        const cache = new DiskCache('many', limit, folder.path);
        await cache.path(`${i}`, make);
        assert.ok(bytesIn(cache) <= limit + limit / 16);
      }
    });
    assert.ok(count >= 480 / 11 - 1 && count <= 480 / 10, `${count} listings`);
  });

  it('makes room for what others wrote to the folder, the longest unused first', async () => {
    const cache = new DiskCache('shared', 1600, folder.path);
    const old = await cache.path('old', make);
    const fresh = await cache.path('fresh', make);
    const others = Array.from({ length: 20 }, (_, i) => join(cache.folder, `other-${i}`));
    others.forEach((path, i) => {
      writeFileSync(path, Buffer.alloc(100));
      utimesSync(path, 1000 + i, 1000 + i);
    });
    utimesSync(old, 1, 1);
    await cache.path('new', make);
    await cache.path('newer', make);
    assert.ok(bytesIn(cache) <= 1600, `${bytesIn(cache)} bytes`);
    const left = new Set(readdirSync(cache.folder).map((name) => join(cache.folder, name)));
    assert.ok(left.has(fresh) && left.has(others[19]!));
    assert.ok(!left.has(old) && !left.has(others[0]!));
  });

  it('looks at the folder with the first file that a process writes', async () => {
    const cache = new DiskCache('before', 1600, folder.path);
    const count = await listings(async () => {
      await cache.path('one', make);
      await cache.path('one', make);
    });
    assert.equal(count, 1);
  });

  it('makes what several caches ask for at once a single time', async () => {
    let made = 0;
    const counting = async (path: string) => {
      made += 1;
      await make(path);
    };
    const caches = [1, 2, 3].map(() => new DiskCache('once', 1600, folder.path));
    const paths = await Promise.all(caches.map((cache) => cache.path('key', counting)));
    assert.deepEqual([made, new Set(paths).size], [1, 1]);
  });
});
