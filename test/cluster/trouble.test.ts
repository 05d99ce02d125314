import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { ServerOptions } from '../../src/cluster/cluster-options.ts';
import { connectTo } from '../../src/cluster/connect.ts';
import { permissionsFor } from '../../src/cluster/permissions.ts';
import { subjectsOf } from '../../src/cluster/protocol.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { BadLine } from './bad-line.ts';
import { TestServer, withServer } from './test-server.ts';
import { trainToy, workForToy } from './toy-fleet.ts';

let engine: Engine;
before(async () => {
  engine = await useEngine('cpu');
});

/** Options for one pass, and the origins of what was trained on. */
function onePass() {
  const origins: string[] = [];
  const onMinibatch: FitOptions['onMinibatch'] = ({ presample, turn }) =>
    void origins.push(`${presample.origin}/${turn}`);
  return { origins, options: { steps: 1_000_000, epochs: 1, onMinibatch } };
}

/** Of one pass over 124 samples, in jobs of two presamples of twelve. */
const whole = ['0/0/0', '0/1/0', '1/0/0', '1/1/0', '2/0/0', '2/1/0', '3/0/0', '3/1/0', '4/0/0', '4/1/0', '5/0/0'];

describe('a fleet on a bad network', () => {
  it('trains through lines that are slow and are cut', () =>
    withServer({}, async (server) => {
      const line = await BadLine.open(server.port, { delayMs: 15 });
      try {
        const cutting = sleep(700).then(() => line.cut());
        const url = `nats://secret@127.0.0.1:${line.port}`;
        const [summary] = await Promise.all([
          trainToy(engine, { url: server.url }, { steps: 12 }),
          workForToy(engine, url),
          cutting,
        ]);
        assert.equal(summary.steps, 12);
        assert.ok(line.cuts > 0);
      } finally {
        line.close();
      }
    }));

  it('trains on every presample exactly once through lines that lose a twentieth, fall silent, and are cut', async function () {
    this.timeout(60_000);
    await withServer({}, async (server) => {
      const trouble = { delayMs: 3, lossShare: 0.05, againMs: 100 };
      const [own, other] = [await BadLine.open(server.port, trouble), await BadLine.open(server.port, trouble)];
      const through = ({ port }: BadLine) => `nats://secret@127.0.0.1:${port}`;
      const { origins, options } = onePass();
      const onStep: FitOptions['onStep'] = async ({ step }) => {
        if (step === 3) await other.silence(300); // what workers say goes nowhere
        if (step === 6) void own.silence(300); // what the trainer says goes nowhere
      };
      try {
        const [summary] = await Promise.all([
          trainToy(engine, { url: through(own), jobPresamples: 2 }, { ...options, onStep }),
          workForToy(engine, through(other)),
          workForToy(engine, through(other)),
        ]);
        assert.deepEqual(origins.toSorted(), whole);
        assert.deepEqual([summary.samplesSeen, summary.source!['trained']], [124, 11]);
        assert.ok(own.resent > 0 && other.resent > 0 && own.swallowed + other.swallowed > 0);
      } finally {
        own.close();
        other.close();
      }
    });
  });
});

describe('scoreForFleet', () => {
  it('leaves with `once` though the word that the run is over is lost, and its jobs stay on the server', async function () {
    this.timeout(30_000);
    // As if trainer and server were killed together: neither the word nor what clears the server gets through.
    const { news } = subjectsOf('toy');
    const denied = `], deny: ["$JS.API.STREAM.DELETE.>", "${news}"] }`;
    const permissions = permissionsFor('trainer', 'toy').replace('] }', () => denied);
    const worker = `{ user: worker, password: pw, permissions: ${permissionsFor('worker', 'toy')} }`;
    const authorization = `authorization { users = [ { user: trainer, password: pw, permissions: ${permissions} }, ${worker} ] }`;
    await withServer({ authorization }, async ({ port }) => {
      const url = (user: string) => `nats://${user}:pw@127.0.0.1:${port}`;
      const working = workForToy(engine, url('worker'), { patienceSeconds: 6 });
      assert.equal((await trainToy(engine, { url: url('trainer') }, { steps: 2 })).steps, 2);
      assert.ok((await working).samples >= 24);
    });
  });
});

describe('a fleet whose clocks jump', () => {
  const { now } = Date;
  afterEach(() => {
    Date.now = now;
  });

  it('trains on every presample once though hours go by at once, forth and back', () =>
    withServer({}, async (server) => {
      const { origins, options } = onePass();
      const onStep: FitOptions['onStep'] = ({ step }) => {
        if (step === 2) Date.now = () => now() + 48 * 3600_000;
        if (step === 5) Date.now = () => now() - 48 * 3600_000;
      };
      const [summary] = await Promise.all([
        trainToy(engine, { url: server.url, jobPresamples: 2 }, { ...options, onStep }),
        workForToy(engine, server.url),
      ]);
      assert.deepEqual(origins.toSorted(), whole);
      assert.deepEqual([summary.source!['reissued'], summary.source!['lost']], [0, 0]);
    }));

  it("gives jobs and parameters out again that the server's clock has swept away", async function () {
    this.timeout(60_000);
    await withServer({}, async (server) => {
      const { origins, options } = onePass();
      const begun = new AbortController();
      const onStep: FitOptions['onStep'] = async ({ step }) => {
        if (step !== 2) return;
        // A day goes by on the server: what is older than its limit goes, in both streams.
        const { nats } = await connectTo(ServerOptions.parse({ url: server.url }), 'test');
        const jsm = await jetstreamManager(nats);
        const { jobsStream, parametersStream } = subjectsOf('toy');
        for (const stream of [jobsStream, parametersStream]) await jsm.streams.purge(stream);
        await nats.close();
        begun.abort();
      };
      const training = trainToy(
        engine,
        { url: server.url, jobPresamples: 2, parametersEvery: 1000, patienceSeconds: 30 },
        { ...options, onStep },
      );
      const first = workForToy(engine, server.url);
      await new Promise((resolve) => begun.signal.addEventListener('abort', resolve, { once: true }));
      const late = workForToy(engine, server.url); // it has no parameters yet
      const [summary] = await Promise.all([training, first, late]);
      assert.deepEqual(origins.toSorted(), whole);
      assert.ok(summary.source!['reissued']! > 0);
    });
  });
});

describe('a fleet whose server has a full disk', () => {
  it('says that the store of the server is full', () =>
    withServer({ extra: 'jetstream { max_file_store: 2000, max_memory_store: 1000 }' }, async (server) =>
      assert.rejects(trainToy(engine, { url: server.url, patienceSeconds: 2 }), {
        code: 'ERR_CLUSTER',
        message: /room in the server's store/u,
      }),
    ));

  it('says that the server keeps no streams', () =>
    withServer({ extra: 'jetstream: false' }, async (server) =>
      assert.rejects(trainToy(engine, { url: server.url, patienceSeconds: 1 }), {
        code: 'ERR_CLUSTER',
        message: /with JetStream/u,
      }),
    ));

  it('trains on every presample once though the disk runs full, and says so where it stays full', async function () {
    this.timeout(60_000);
    const base = await mkdtemp(join(tmpdir(), 'taustream-nats-disk-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', base], { stdio: 'ignore' });
    } catch {
      await rm(base, { recursive: true });
      this.skip(); // only root may mount
    }
    const server = await TestServer.start({ folder: base });
    try {
      const ballast = join(base, 'ballast');
      const { origins, options } = onePass();
      let restarting: Promise<void> | undefined;
      const restartWithRoom = async () => {
        await sleep(1500);
        await truncate(ballast);
        await server.kill(); // a server that met a full disk takes nothing more until it is started anew
        await server.start();
      };
      const onStep: FitOptions['onStep'] = async ({ step }) => {
        if (step !== 8) return;
        await writeFile(ballast, new Uint8Array(4e6)).catch(() => {}); // to the brim
        restarting = restartWithRoom();
      };
      const choices = { url: server.url, jobPresamples: 2 };
      const [summary] = await Promise.all([
        trainToy(engine, choices, { ...options, epochs: 4, onStep }),
        workForToy(engine, server.url),
      ]);
      await restarting;
      assert.deepEqual([origins.length, new Set(origins).size, summary.samplesSeen], [42, 42, 4 * 124]);
      await writeFile(ballast, new Uint8Array(4e6)).catch(() => {});
      await assert.rejects(trainToy(engine, { ...choices, patienceSeconds: 2 }), {
        code: 'ERR_CLUSTER',
        message: /room in the server's store|its disk is full/u,
      });
    } finally {
      await server.kill();
      execFileSync('umount', [base]);
      await rm(base, { recursive: true });
    }
  });
});
