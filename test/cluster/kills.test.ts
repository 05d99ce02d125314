import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Running } from './processes.ts';
import { TestServer } from './test-server.ts';

const file = fileURLToPath(new URL('fixtures/slow.ts', import.meta.url));

interface Line {
  readonly step: number;
  readonly ids: readonly string[];
  readonly origin: string;
}

/** Three passes over 124 samples; jobs of 24 places. */
const places = 3 * 124;
const jobs = Math.ceil(places / 24);

describe('taustream train --cluster', () => {
  it('trains on every sample exactly once an epoch, though workers, server and trainer are killed', async function () {
    this.timeout(90_000);
    const trained = await trainWithKills({});
    const times = new Map<string, number>();
    for (const { ids } of trained) for (const id of ids) times.set(id, (times.get(id) ?? 0) + 1);
    assert.deepEqual({ ids: times.size, times: new Set(times.values()) }, { ids: 124, times: new Set([3]) });
    assert.equal(new Set(trained.map(({ origin }) => origin)).size, trained.length);
  });

  it('trains on every draw of every presample exactly once, though all are killed while the gate is open', async function () {
    this.timeout(90_000);
    const trained = await trainWithKills({ TOY_TAU: '0', TOY_DRAWS: '2' });
    const expected = Array.from({ length: jobs }, (_, job) => {
      const parts = Math.ceil((Math.min(places, 24 * (job + 1)) - 24 * job) / 12);
      return Array.from({ length: parts }, (__, part) => [`${job}/${part}/0`, `${job}/${part}/1`]);
    }).flat(2);
    assert.deepEqual(trained.map(({ origin }) => origin).toSorted(), expected.toSorted());
  });
});

/** Kills a worker, the server and the trainer, each in the middle of its work. @returns what was trained on */
async function trainWithKills(environment: Readonly<Record<string, string>>): Promise<Line[]> {
  const folder = await mkdtemp(join(tmpdir(), 'taustream-kills-'));
  const out = join(folder, 'run');
  const server = await TestServer.start();
  const cluster = ['--cluster', server.url, '--cluster-patience', '40'];
  const work = () => new Running(['score-worker', file, ...cluster], environment);
  const limits = ['--epochs', '3', '--record-ids', '--json', '--ack-wait', '1', '--checkpoint-steps', '4'];
  const train = (...more: string[]) =>
    new Running(['train', file, ...cluster, ...limits, '--job-presamples', '2', ...more], environment);
  const workers = [work(), work()];
  const first = train('--out', out);
  let second: Running | undefined;
  try {
    await Promise.all([first.says(/worker .* joined[^]*worker .* joined/u), untilStep(out, 8)]);
    await workers[0]!.kill(); // in the middle of a job
    workers.push(work());
    await untilStep(out, 20);
    await server.kill();
    await sleep(300);
    await server.start();
    await untilStep(out, 32);
    await first.kill();
    second = train('--resume', out);
    assert.equal(await second.ended, 0, second.said);
    const summary = JSON.parse(second.told) as { samplesSeen: number; openShare: number; stoppedBy: string };
    assert.deepEqual(
      [summary.samplesSeen, summary.stoppedBy, summary.openShare],
      [places, 'epochs', environment['TOY_TAU'] === '0' ? 1 : 0],
    );
    const lines = (await readFile(join(out, 'ids.jsonl'), 'utf8')).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Line); // written by the trainer
  } finally {
    for (const one of [first, second, ...workers]) await one?.kill();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Resolves when a run has taken so many steps. */
async function untilStep(out: string, step: number): Promise<void> {
  for (;;) {
    const text = await readFile(join(out, 'ids.jsonl'), 'utf8').catch(() => ''); // not begun
    if (text.split('\n').length > step) return;
    await sleep(50);
  }
}
