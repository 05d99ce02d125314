import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from '../../src/cluster/server/nats-server.ts';

describe('startServer', () => {
  it('keeps the token from others, also where a configuration lies that they may read', async function () {
    if (process.platform === 'win32') this.skip(); // it has other permissions
    const folder = await mkdtemp(join(tmpdir(), 'taustream-conf-'));
    const config = join(folder, 'server.conf');
    try {
      await writeFile(config, 'port: 1\n', { mode: 0o644 });
      // a program that ends at once, in place of a server
      await assert.rejects(startServer('/bin/false', { folder, token: 'secret' }), { code: 'ERR_CLUSTER' });
      assert.match(await readFile(config, 'utf8'), /token: "secret"/);
      assert.equal((await stat(config)).mode & 0o777, 0o600);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
