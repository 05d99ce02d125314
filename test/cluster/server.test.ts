import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { createUser } from '@nats-io/nkeys';
import { addressOf, connectTo } from '../../src/cluster/connect.ts';
import { ServerOptions, type FleetOptions } from '../../src/cluster/cluster-options.ts';
import { fleet } from '../../src/cluster/fleet.ts';
import { permissionsFor } from '../../src/cluster/permissions.ts';
import { subjectsOf } from '../../src/cluster/protocol.ts';
import { pinFor } from '../../src/cluster/server/obtain-server.ts';
import { scoreForFleet } from '../../src/cluster/worker.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { fit } from '../../src/train/fit.ts';
import { freePort, TestServer } from './test-server.ts';
import { toyPipeline } from './toy-pipeline.ts';

let engine: Engine;

async function train(choices: FleetOptions, steps = 4) {
  const { name: _name, engine: _engine, ...values } = toyPipeline().options;
  const corpus = await toyPipeline().openCorpus({ seed: 3, engine });
  const model = await toyPipeline().buildModel({ seed: 3, engine, corpus });
  try {
    return await fit(model, corpus.train, {
      ...values,
      steps,
      source: fleet({ run: 'toy', corpus, ackWaitSeconds: 1, patienceSeconds: 15, ...choices }),
    });
  } finally {
    model.optimizer.dispose();
    model.dispose();
  }
}

const work = (url: string, more: Partial<ServerOptions> = {}) =>
  scoreForFleet(toyPipeline(), { url, run: 'toy', engine, once: true, ...more });

const settings = (url: string, more: Partial<ServerOptions> = {}) => ServerOptions.parse({ url, ...more });

/** Starts a server, does something with it, and stops it. */
async function withServer<T>(plan: Parameters<typeof TestServer.start>[0], action: (server: TestServer) => Promise<T>) {
  const server = await TestServer.start(plan);
  try {
    return await action(server);
  } finally {
    await server.stop();
  }
}

before(async () => {
  engine = await useEngine('cpu');
});

describe('connectTo', () => {
  it('reads a token, or user and password, from the address', () => {
    assert.deepEqual(addressOf('nats://tok@h:1').login, { token: 'tok' });
    assert.deepEqual(addressOf('tls://me:p%40ss@h'), {
      where: 'h:4222',
      login: { user: 'me', pass: 'p@ss' },
      tls: true,
    });
    assert.throws(() => addressOf('http://h:1'), { code: 'ERR_OPTIONS' });
    assert.throws(() => addressOf('h:1'), { code: 'ERR_OPTIONS' });
  });

  it('says that there is no server', async () => {
    const port = await freePort();
    await assert.rejects(connectTo(settings(`nats://x@127.0.0.1:${port}`), 'test'), {
      code: 'ERR_CLUSTER',
      message: /expected a NATS server/u,
    });
  });

  it('says that a token is wrong, without showing it', () =>
    withServer({}, (server) =>
      assert.rejects(connectTo(settings(server.url.replace('secret', 'guessed')), 'test'), (error: Error) => {
        assert.match(error.message, /a login that the server knows/u);
        assert.doesNotMatch(error.message, /guessed|secret/u);
        return true;
      }),
    ));

  it('refuses a server that lets too little through', () =>
    withServer({ maxPayload: 30_000 }, (server) =>
      assert.rejects(connectTo(settings(server.url), 'test'), { code: 'ERR_CLUSTER', message: /max_payload: 8MB/u }),
    ));

  it('logs in by an nkey, over TLS whose authority is named, and refuses any other', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'taustream-tls-'));
    const [key, certificate, seed] = ['key.pem', 'cert.pem', 'user.nk'].map((name) => join(folder, name));
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
    execFileSync('openssl', [...made, ...subject, '-keyout', key!, '-out', certificate!], { stdio: 'ignore' });
    const user = createUser();
    await writeFile(seed!, user.getSeed());
    const authorization = `authorization { users = [ { nkey: ${user.getPublicKey()} } ] }`;
    const extra = `tls { cert_file: "${certificate}", key_file: "${key}" }`;
    try {
      await withServer({ authorization, extra }, async ({ port }) => {
        const url = `tls://127.0.0.1:${port}`;
        const { nats } = await connectTo(settings(url, { caFile: certificate!, credentials: seed! }), 'test');
        await nats.close();
        await assert.rejects(connectTo(settings(url, { credentials: seed! }), 'test'), {
          code: 'ERR_CLUSTER',
          message: /both sides trust/u,
        });
        await assert.rejects(connectTo(settings(url, { caFile: certificate! }), 'test'), { code: 'ERR_CLUSTER' });
        await assert.rejects(connectTo(settings(url, { credentials: key! }), 'test'), {
          code: 'ERR_OPTIONS',
          message: /nkey's seed/u,
        });
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('permissionsFor', () => {
  it('lets a trainer train and workers score, and no worker publish parameters or jobs', async () => {
    const user = (name: 'trainer' | 'worker') =>
      `{ user: ${name}, password: pw, permissions: ${permissionsFor(name, 'toy')} }`;
    const authorization = `authorization { users = [ ${user('trainer')}, ${user('worker')} ] }`;
    await withServer({ authorization }, async ({ port }) => {
      const url = (name: string) => `nats://${name}:pw@127.0.0.1:${port}`;
      const [summary] = await Promise.all([train({ url: url('trainer') }), work(url('worker'))]);
      assert.equal(summary.steps, 4);
      const { nats } = await connectTo(settings(url('worker')), 'test');
      const { manifest, jobs } = subjectsOf('toy');
      for (const subject of [manifest, jobs])
        await assert.rejects(jetstream(nats).publish(subject, 'forged', { timeout: 500 }), (error: Error) =>
          /permission|timeout|no responders/iu.test(`${error.name} ${error.message}`),
        );
      await nats.close();
      await assert.rejects(train({ url: url('worker'), patienceSeconds: 1 }), {
        code: 'ERR_CLUSTER',
        message: /may train/u,
      });
    });
  });
});

describe('a fleet on a bad network or disk', () => {
  it('trains through a network that is slow and is cut', () =>
    withServer({}, async (server) => {
      const proxy = await slowProxy(server.port, 15);
      try {
        const url = `nats://secret@127.0.0.1:${proxy.port}`;
        const cutting = sleep(700).then(() => proxy.cut());
        const [summary] = await Promise.all([train({ url: server.url }, 12), work(url), cutting]);
        assert.equal(summary.steps, 12);
        assert.ok(proxy.cuts > 0);
      } finally {
        proxy.close();
      }
    }));

  it('says that the store of the server is full', () =>
    withServer({ extra: 'jetstream { max_file_store: 2000, max_memory_store: 1000 }' }, async (server) =>
      assert.rejects(train({ url: server.url, patienceSeconds: 2 }), {
        code: 'ERR_CLUSTER',
        message: /room in the server's store/u,
      }),
    ));

  it('says that the server keeps no streams', () =>
    withServer({ extra: 'jetstream: false' }, async (server) =>
      assert.rejects(train({ url: server.url, patienceSeconds: 1 }), {
        code: 'ERR_CLUSTER',
        message: /with JetStream/u,
      }),
    ));
});

describe('pinFor', () => {
  it('knows which machines there is a server for', () => {
    assert.match(pinFor('linux', 'x64').sha256, /^[\da-f]{64}$/u);
    assert.throws(() => pinFor('plan9', 'mips'), { code: 'ERR_CLUSTER', message: /plan9-mips/u });
  });
});

/** Passes bytes on late, and cuts all connections when it is told to. */
async function slowProxy(target: number, delayMs: number) {
  const sockets = new Set<Socket>();
  let cuts = 0;
  const server: Server = createServer((client) => {
    const upstream = connectSocket(target, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => void setTimeout(() => to.writable && to.write(bytes), delayMs));
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    }
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    get cuts() {
      return cuts;
    },
    cut: () => {
      for (const socket of sockets) if (!socket.destroyed) cuts += 1;
      for (const socket of sockets) socket.destroy();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
