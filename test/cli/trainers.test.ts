import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TestServer } from '../cluster/test-server.ts';
import { run } from './run-cli.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const [bin, pipeline] = [path('../../src/cli/bin.js'), path('fixtures/several-trainers.ts')];
const isTensorflow = process.env['TAUSTREAM_ENGINE'] === 'tensorflow';

/** A command line in a process of its own, with what it writes. */
function start(args: readonly string[]) {
  const child = spawn(process.execPath, [bin, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1' },
  });
  const told = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk: Buffer) => (told[name] += chunk.toString()));
  const end = new Promise<{ code: number | null } & typeof told>((resolve) => {
    child.on('close', (code) => resolve({ code, ...told }));
  });
  return { child, end };
}

/** Children of a process, with their command lines. */
async function childrenOf(pid: number): Promise<{ pid: number; args: string[] }[]> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout
    .split('\n')
    .map(Number)
    .filter((one) => one > 0)
    .map((one) => ({ pid: one, args: readFileSync(`/proc/${one}/cmdline`, 'utf8').split('\0') }));
}

interface Line {
  readonly step: number;
  readonly samplesSeen: number;
  readonly ids: string[];
}
const linesOf = async (file: string): Promise<Line[]> =>
  (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line); // written by the run

describe('taustream train --trainers', function () {
  this.timeout(180_000);
  let base: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'taustream-trainers-'));
  });
  afterEach(() => rm(base, { recursive: true, force: true }));

  it('goes on from the last checkpoint with those that are left, the samples divided anew among them', async function () {
    if (!isTensorflow || process.platform !== 'linux') this.skip(); // children are found by /proc
    const folder = join(base, 'run');
    const args = ['train', pipeline, '--trainers', '3', '--scheme', 'uniform', '--out', folder, '--record-ids'];
    const { child, end } = start([...args, '--checkpoint-steps', '40', '--keep', '50', '--steps', '2000']);
    const metrics = join(folder, 'metrics.jsonl');
    const stepsTaken = async () => (existsSync(metrics) ? (await linesOf(metrics)).length : 0);
    while ((await stepsTaken().catch(() => 0)) < 100) await wait(50);
    const last = (await childrenOf(child.pid!)).find(({ args: own }) => own[own.indexOf('--rank') + 1] === '2');
    process.kill(last!.pid, 'SIGKILL');
    const { code, stderr } = await end;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /lost {5}trainer rank 2 \(SIGKILL\); going on from the last checkpoint with 2/);

    const account = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as {
      status: string;
      options: { trainers: number };
      resumed: { step: number }[];
    };
    assert.equal(account.status, 'finished');
    assert.equal(account.options.trainers, 2);
    assert.equal(account.resumed.length, 1);
    const { step: resumed } = account.resumed[0]!;
    assert.ok(resumed >= 40, `resumed after step ${resumed}`);

    const [records, ids] = [await linesOf(metrics), await linesOf(join(folder, 'ids.jsonl'))];
    assert.equal(records.length, 2000);
    const batch = 16;
    const before = 3 * batch * resumed; // three trainers had taken so many together
    for (const [i, record] of records.entries()) {
      assert.equal(record.step, i + 1);
      const since = record.step - resumed;
      const expected = since <= 0 ? 3 * batch * record.step : before + 2 * batch * since;
      assert.equal(record.samplesSeen, expected, `step ${record.step}`);
      const first = since <= 0 ? 3 * batch * (record.step - 1) : before + 2 * batch * (since - 1);
      const own = Array.from({ length: batch }, (_, place) => `c:0:${first + (since <= 0 ? 3 : 2) * place}`);
      assert.deepEqual(ids[i]!.ids, own, `step ${record.step}: rank 0 has every third sample, then every other`);
    }
  });

  it('meets the others at a server, and trains with them', async function () {
    if (!isTensorflow) this.skip();
    const server = await TestServer.start();
    try {
      const args = ['train', pipeline, '--trainers', '2', '--cluster', server.url, '--scheme', 'uniform'];
      const more = [...args, '--steps', '30', '--out', join(base, 'met')];
      const ends = await Promise.all([start([...more, '--rank', '0']).end, start(more).end]);
      for (const { code, stderr } of ends) assert.equal(code, 0, stderr);
      const records = await linesOf(join(base, 'met', 'metrics.jsonl'));
      assert.equal(records.at(-1)!.samplesSeen, 2 * 16 * 30);
    } finally {
      await server.stop();
    }
  });

  it('refuses a fleet with several trainers, and a meeting’s options without one', async () => {
    const refusal = async (...args: string[]) => {
      const { code, stderr } = await run(['train', pipeline, '--out', join(base, 'none'), ...args]);
      assert.equal(code, 1);
      assert.ok(!existsSync(join(base, 'none')));
      return stderr;
    };
    const cluster = ['--cluster', 'nats://127.0.0.1:1'];
    assert.match(
      await refusal('--trainers', '2', ...cluster, '--age-limit', '3'),
      /expected a fleet with one trainer, or several trainers that score for themselves, got `--trainers 2` with a fleet \(`ageLimit`\)/,
    );
    assert.match(
      await refusal('--trainers', '10.0.0.1:4700,10.0.0.2:4700', '--rank', '0', ...cluster),
      /got `--trainers 10\.0\.0\.1:4700,10\.0\.0\.2:4700` with a fleet\. Leave one of them out/,
    );
    assert.match(await refusal('--trainer-host', '10.0.0.1'), /`--trainer-host` beside `--trainers N --cluster URL`/);
    assert.match(await refusal('--trainers', '127.0.0.1:4700,127.0.0.1:4710'), /together, got no rank\. Give both/);
  });
});
