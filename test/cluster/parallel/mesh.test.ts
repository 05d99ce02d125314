import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { freeAddresses, type Address } from '../../../src/cluster/parallel/addresses.ts';
import { Mesh, type MeshOptions } from '../../../src/cluster/parallel/mesh.ts';
import { Watch } from '../../../src/cluster/parallel/watch.ts';

const options = (addresses: readonly Address[], rank: number, more: Partial<MeshOptions> = {}): MeshOptions => ({
  addresses,
  rank,
  job: {},
  joinSeconds: 30,
  silentSeconds: 20,
  sum: 'grpc',
  ...more,
});

/** A process that listens and never takes a connection: what is one too many for its queue has no answer. */
async function deafServer({ host, port }: Address) {
  const program = `
    const server = require('node:net').createServer();
    server.listen({ host: '${host}', port: ${port}, backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'listening');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const waiting = Array.from({ length: 8 }, () => connect({ host, port }).on('error', () => {}));
  await sleep(200); // until the queue is full
  return {
    [Symbol.dispose]: () => {
      child.kill('SIGKILL');
      for (const socket of waiting) socket.destroy();
    },
  };
}

describe('Mesh', () => {
  it('has no harm of strangers who connect and break off, at any rank', async () => {
    const addresses = await freeAddresses(2);
    const meshes = await Promise.all([0, 1].map((rank) => Mesh.join(options(addresses, rank))));
    let lost = 0;
    for (const mesh of meshes) mesh.on('lost', () => (lost += 1));
    for (const { host, port } of addresses) {
      const stranger = connect({ host, port, allowHalfOpen: true }).on('error', () => {});
      await once(stranger, 'connect');
      stranger.write('who is there?');
      await sleep(50); // until it was taken, and perhaps ended
      stranger.resetAndDestroy();
    }
    await sleep(200); // an error that nobody hears would end this process
    await Promise.all(meshes.map((mesh) => mesh.ready()));
    for (const mesh of meshes) mesh.leave();
    assert.equal(lost, 0);
  });

  it('waits no longer for a rank 0 that gives no answer than it was told', async function () {
    if (process.platform !== 'linux') this.skip(); // others answer what is too much for the queue
    const addresses = await freeAddresses(2);
    using _deaf = await deafServer(addresses[0]!);
    await assert.rejects(Mesh.join(options(addresses, 1, { joinSeconds: 1.0004 })), {
      code: 'ERR_PARALLEL',
      message: /rank 0 cannot be reached at .*: no answer within 1\.0004 s/,
    });
  }).timeout(20_000);

  it('waits for a part of a millisecond, too', async () => {
    await assert.rejects(Mesh.join(options(await freeAddresses(2), 0, { joinSeconds: 0.0304 })), {
      code: 'ERR_PARALLEL',
      message: /expected rank 1 .* to come within 0\.0304 s/,
    });
  });
});

describe('Watch', () => {
  it('tells everybody who asks at once that nobody is lost', async () => {
    const watch = new Watch(options(await freeAddresses(2), 0));
    const asked = [watch.lost(50), watch.lost(200), watch.lost(100)];
    assert.deepEqual(await Promise.all(asked), [undefined, undefined, undefined]);
    await watch.leave();
  }).timeout(10_000);
});
