/**
 * Scoring elsewhere, measured in processor time, which a loaded machine does not distort: what a scored sample costs a
 * worker with one worker and with two, and what a step costs the trainer, against a uniform step of a run by itself.
 *
 *     npx tsx bench/cluster.ts pipelines/moby-dick.ts --steps 150 --engine wasm
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { askStatus } from '../src/cluster/ask-status.ts';
import { startServer } from '../src/cluster/server/nats-server.ts';
import { obtainServer } from '../src/cluster/server/obtain-server.ts';
import { loadPipeline } from '../src/cli/load-pipeline.ts';

const text = { type: 'string' } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { steps: text, engine: text, port: text },
});
const [file = 'pipelines/moby-dick.ts'] = positionals;
const { steps = '150', engine = 'wasm', port = '14333' } = values;
const { name } = (await loadPipeline(file)).options;
const bin = fileURLToPath(new URL('../src/cli/bin.js', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'taustream-bench-cluster-'));
const server = await startServer(await obtainServer(), {
  folder: join(folder, 'nats'),
  port: Number(port),
  token: 'bench',
});
const start = (args: readonly string[]) =>
  spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });

/** Processor seconds of a process so far; 100 ticks a second, as Linux counts them. */
async function processorSeconds({ pid }: ChildProcess): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /u, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

interface Mark {
  readonly steps: number;
  readonly samples: number;
  readonly wall: number;
  readonly trainer: number;
  readonly workers: number;
}

/** Trains with so many workers (none: by itself, uniformly) and takes marks after a fifth of the steps and near the end. */
async function measure(count: number): Promise<{ from: Mark; to: Mark }> {
  const out = join(folder, `run-${count}`);
  const cluster = ['--cluster', server.url];
  const own = ['train', file, '--engine', engine, '--steps', steps, '--out', out, '--quiet'];
  const trainer = start([...own, ...(count === 0 ? ['--scheme', 'uniform'] : cluster)]);
  const workers = Array.from({ length: count }, () =>
    start(['score-worker', file, ...cluster, '--engine', engine, '--once', '--quiet']),
  );
  const mark = async (after: number): Promise<Mark> => {
    for (;;) {
      const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8').catch(() => '')).split('\n').length - 1;
      if (lines >= after) {
        const status = count === 0 ? undefined : await askStatus({ url: server.url, run: name });
        const samples = status?.workers.reduce((sum, worker) => sum + worker.samples, 0) ?? 0;
        const spent = await Promise.all(workers.map(processorSeconds));
        return {
          steps: lines,
          samples,
          wall: performance.now() / 1000,
          trainer: await processorSeconds(trainer),
          workers: spent.reduce((a, b) => a + b, 0),
        };
      }
      await sleep(20);
    }
  };
  const from = await mark(Number(steps) * 0.2);
  const to = await mark(Number(steps) * 0.8);
  await once(trainer, 'close');
  for (const worker of workers) worker.kill();
  return { from, to };
}

try {
  console.log(
    JSON.stringify({
      machine: `${cpus().length} × ${cpus()[0]?.model}`,
      load: loadavg()[0],
      node: process.version,
      file,
      engine,
      steps,
    }),
  );
  let uniform = 0;
  for (const count of [0, 1, 2]) {
    const { from, to } = await measure(count);
    const done = to.steps - from.steps;
    const step = (1000 * (to.trainer - from.trainer)) / done;
    if (count === 0) uniform = step;
    const scored = to.samples - from.samples;
    console.log(
      JSON.stringify({
        workers: count,
        trainerMsAStep: step,
        againstUniform: step / uniform,
        wallMsAStep: (1000 * (to.wall - from.wall)) / done,
        ...(count > 0 && {
          workerMsASample: (1000 * (to.workers - from.workers)) / scored,
          samplesPerWallSecond: scored / (to.wall - from.wall),
        }),
      }),
    );
  }
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
