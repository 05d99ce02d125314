import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunStatus } from '../../src/cluster/ask-status.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { Running } from '../cluster/processes.ts';
import { freePort } from '../cluster/test-server.ts';
import { trainToy, workForToy } from '../cluster/toy-fleet.ts';
import { run } from './run-cli.ts';

const status = (url: string, ...more: string[]) =>
  run(['cluster', 'status', '--run', 'toy', '--cluster', url, ...more]);

describe('taustream cluster', () => {
  it('starts a server that a fleet trains on, shows its status, and ends it with Ctrl-C, leaving nothing', async function () {
    this.timeout(60_000);
    const folder = await mkdtemp(join(tmpdir(), 'taustream-up-'));
    const port = await freePort();
    const up = new Running(['cluster', 'up', '--port', String(port), '--token', 'tok'], { TMPDIR: folder });
    try {
      await up.says(/Train with --cluster/u);
      const url = up.told.trim();
      assert.equal(url, `nats://tok@127.0.0.1:${port}`);

      const nobody = await status(url);
      assert.deepEqual([nobody.code, nobody.stdout], [1, '']);
      assert.match(nobody.stderr, /^taustream: 127\.0\.0\.1:\d+: expected a trainer of run `toy`, got none/u);
      const wrong = await status(url.replace('tok', 'guessed'));
      assert.equal(wrong.code, 1);
      assert.match(wrong.stderr, /^taustream: .*expected a login that the server knows/u);
      assert.doesNotMatch(wrong.stderr, /guessed|tok@/u);

      const engine = await useEngine('cpu');
      const seen: Awaited<ReturnType<typeof run>>[] = [];
      const onStep: FitOptions['onStep'] = async ({ step }) => {
        if (step === 4) seen.push(await status(url), await status(url, '--json'));
      };
      const [summary] = await Promise.all([trainToy(engine, { url }, { steps: 6, onStep }), workForToy(engine, url)]);
      assert.equal(summary.steps, 6);
      const [text, json] = seen as [(typeof seen)[0], (typeof seen)[0]];
      assert.deepEqual([text.code, json.code], [0, 0], text.stderr + json.stderr);
      assert.match(
        text.stdout,
        /^run {6}toy: 4 steps since the trainer began; τ [\d.]+, gate open\nqueue .*\nages .*\naccount .*trained 4/u,
      );
      assert.match(text.stdout, /\nworkers {2}1, \d+ samples\/s\n/u);
      const parsed = JSON.parse(json.stdout) as RunStatus; // askStatus made it
      assert.deepEqual([parsed.steps, parsed.workers.length, typeof parsed.queued], [4, 1, 'number']);

      up.child.kill('SIGINT');
      assert.equal(await up.ended, 130, up.said);
      assert.deepEqual(
        (await readdir(folder)).filter((name) => name.startsWith('taustream-cluster-')),
        [],
      );
      const gone = await status(url, '--cluster-patience', '1');
      assert.equal(gone.code, 1);
      assert.match(gone.stderr, /^taustream: 127\.0\.0\.1:\d+: expected a NATS server, got .*cluster up/u);
    } finally {
      await up.kill();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('ends with an error when the server is killed', async function () {
    this.timeout(30_000);
    const folder = await mkdtemp(join(tmpdir(), 'taustream-up-'));
    const store = join(folder, 'store');
    const up = new Running(['cluster', 'up', '--port', String(await freePort()), '--store', store]);
    try {
      await up.says(/Train with --cluster/u);
      const children = await childrenOf(up.child.pid!);
      for (const pid of children) process.kill(pid, 'SIGKILL');
      assert.equal(await up.ended, 1);
      assert.match(up.said, /expected it to run until Ctrl-C, got an end/u);
      assert.deepEqual((await readdir(store)).toSorted(), ['server.conf', 'store']); // it is the user's own
    } finally {
      await up.kill();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('says that the port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const { code, stdout, stderr } = await run(['cluster', 'up', '--port', String(port)]);
    taken.close();
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(
      stderr,
      /nats-server: expected it to listen on 127\.0\.0\.1:\d+, got .*address already in use.*Choose another --port/u,
    );
  });

  it('asks for a server, a run and a port that can be one', async () => {
    const { TAUSTREAM_CLUSTER: former } = process.env;
    delete process.env['TAUSTREAM_CLUSTER'];
    const [noServer, noRun] = [
      await run(['cluster', 'status', '--run', 'toy']),
      await run(['cluster', 'status', '--cluster', 'nats://h:1']),
    ];
    if (former !== undefined) process.env['TAUSTREAM_CLUSTER'] = former;
    assert.deepEqual([noServer.code, noRun.code], [1, 1]);
    assert.match(noServer.stderr, /expected a server, got none/u);
    assert.match(noRun.stderr, /expected --run NAME, got none/u);
    assert.equal((await run(['cluster', 'up', '--port', '70000'])).code, 2);
    assert.equal((await run(['cluster', 'upp'])).code, 2);
  });
});

/** The processes that a process has started, as Linux lists them. */
async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.trim().split(' ').filter(Boolean).map(Number);
}
