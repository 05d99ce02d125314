import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { createUser } from '@nats-io/nkeys';
import { addressOf, connectTo } from '../../src/cluster/connect.ts';
import { ServerOptions, type FleetOptions } from '../../src/cluster/cluster-options.ts';
import { permissionsFor } from '../../src/cluster/permissions.ts';
import { subjectsOf } from '../../src/cluster/protocol.ts';
import { pinFor } from '../../src/cluster/server/obtain-server.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { freePort, withServer } from './test-server.ts';
import { trainToy, workForToy } from './toy-fleet.ts';

let engine: Engine;

const train = (choices: FleetOptions, steps = 4) => trainToy(engine, choices, { steps });
const work = (url: string) => workForToy(engine, url);

const settings = (url: string, more: Partial<ServerOptions> = {}) => ServerOptions.parse({ url, ...more });

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

describe('pinFor', () => {
  it('knows which machines there is a server for', () => {
    assert.match(pinFor('linux', 'x64').sha256, /^[\da-f]{64}$/u);
    assert.throws(() => pinFor('plan9', 'mips'), { code: 'ERR_CLUSTER', message: /plan9-mips/u });
  });
});
