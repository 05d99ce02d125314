/**
 * A server, workers and a trainer on this machine, of which some are killed at random: prints what was offered, scored,
 * trained, expired and duplicate, and checks that nothing was trained on twice.
 *
 *     npx tsx bench/cluster-kills.ts pipelines/moby-dick.ts --seconds 60 --every 5
 *     npx tsx bench/cluster-kills.ts test/cluster/fixtures/slow.ts --epochs 40 --worker-kills 100 --server-kills 20 --trainer-kills 5
 *         [--phase importance --draws 2]
 *
 * `--phase importance` keeps that file's gate open from the first step. With `--epochs` each draw of each presample of each
 * job must have been trained on, or been counted as left out: one that is missing is an error, as one that came twice is.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startServer, type RunningServer } from '../src/cluster/server/nats-server.ts';
import { obtainServer } from '../src/cluster/server/obtain-server.ts';
import { loadPipeline } from '../src/cli/load-pipeline.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { createRng } from '../src/stream/random.ts';
import { valuesOf } from './cluster/taker.ts';

const text = { type: 'string' } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: text,
    epochs: text,
    every: text,
    workers: text,
    seed: text,
    'worker-kills': text,
    'server-kills': text,
    'trainer-kills': text,
    phase: text,
    draws: text,
  },
});
const [file = 'pipelines/moby-dick.ts'] = positionals;
const number = (name: keyof typeof values, otherwise: number) => Number(values[name] ?? otherwise);
const [everyMs, seed] = [1000 * number('every', 5), number('seed', 7)];
const seconds = values.seconds ?? '60';
const limit = values.epochs === undefined ? ['--seconds', seconds] : ['--epochs', values.epochs];
// The fixture's own words for how its gate stands, and how often it draws.
if (values.phase === 'importance') process.env['TOY_TAU'] = '0';
if (values.draws !== undefined) process.env['TOY_DRAWS'] = values.draws;
const bin = fileURLToPath(new URL('../src/cli/bin.js', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'taustream-cluster-kills-'));
const out = join(folder, 'run');
const rng = createRng(seed, 'kills');

const port = await freePort();
const binary = await obtainServer();
const startNats = () => startServer(binary, { folder: join(folder, 'nats'), port, token: 'bench' });
let server: RunningServer = await startNats();
const cluster = ['--cluster', server.url, '--cluster-patience', '120'];
let printed = '';
const run = (args: readonly string[]): ChildProcess => {
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.setEncoding('utf8').on('data', (more: string) => (printed += more));
  return child;
};
const work = () => run(['score-worker', file, ...cluster, '--quiet']);
const train = (...more: string[]) =>
  run([
    'train',
    file,
    ...cluster,
    ...limit,
    '--record-ids',
    '--json',
    '--ack-wait',
    '2',
    '--checkpoint-steps',
    '25',
    ...more,
  ]);

const workers = Array.from({ length: number('workers', 2) }, work);
let trainer = train('--out', out);
const kills = { worker: 0, server: 0, trainer: 0 };
const isEndless =
  values['worker-kills'] === undefined && values['server-kills'] === undefined && values['trainer-kills'] === undefined;
const left: Record<keyof typeof kills, number> = {
  worker: number('worker-kills', isEndless ? Infinity : 0),
  server: number('server-kills', 0),
  trainer: number('trainer-kills', 0),
};

const killOne = async (kind: keyof typeof kills): Promise<void> => {
  left[kind] -= 1;
  kills[kind] += 1;
  if (kind === 'worker') {
    const which = rng.integer(workers.length);
    workers[which]!.kill('SIGKILL');
    workers[which] = work();
  } else if (kind === 'server') {
    await server.stop('SIGKILL');
    server = await startNats();
  } else {
    trainer.kill('SIGKILL');
    await once(trainer, 'close');
    trainer = train('--resume', out);
  }
};

const isOver = () => trainer.exitCode !== null;
while (!isOver()) {
  await sleep(everyMs * (isEndless ? 1 : 0.5 + rng.uniform()));
  if (isOver() || !(await hasBegun())) continue;
  const kinds = (Object.keys(left) as (keyof typeof kills)[]).flatMap((kind) =>
    left[kind] > 0 ? Array<typeof kind>(Math.min(left[kind], 1000)).fill(kind) : [],
  );
  if (kinds.length > 0) await killOne(kinds[rng.integer(kinds.length)]!);
}
for (const worker of workers) worker.kill('SIGKILL');
await server.stop();

const ids = (await readFile(join(out, 'ids.jsonl'), 'utf8')).trim().split('\n');
const origins = ids.map((line) => (JSON.parse(line) as { origin: string }).origin);
const summary = JSON.parse(printed.trim().split('\n').at(-1)!) as {
  steps: number;
  samplesSeen: number;
  epochs: number;
  stoppedBy: string;
  openShare: number;
  source: Record<string, number>;
};
const { steps, samplesSeen, epochs, stoppedBy, openShare, source } = summary;
console.log(
  JSON.stringify({
    machine: `${cpus().length} × ${cpus()[0]?.model}, loaded or not as it was`,
    node: process.version,
    file,
    seed,
  }),
);
console.log(JSON.stringify({ exit: trainer.exitCode, kills, steps, samplesSeen, epochs, stoppedBy, ...source }));
const trainedTwice = origins.length - new Set(origins).size;
const expected = await minibatchesIn(values.epochs, origins.length);
const missing = expected - new Set(origins).size - (source['expired'] ?? 0);
console.log(JSON.stringify({ minibatches: origins.length, expected, trainedTwice, missing, openShare }));
await rm(folder, { recursive: true, force: true });
process.exitCode = trainedTwice === 0 && missing === 0 && trainer.exitCode === 0 ? 0 : 1;

/**
 * How many minibatches so many epochs are: each job's places, cut into presamples of the phase that it was given out in.
 * @param otherwise where there is no end, or the gate may stand either way
 */
async function minibatchesIn(passes: string | undefined, otherwise: number): Promise<number> {
  if (passes === undefined || (openShare !== 0 && openShare !== 1)) return otherwise;
  const pipeline = await loadPipeline(file);
  const { presampleSize, batchSize, draws } = valuesOf(pipeline);
  const { train: samples } = await pipeline.openCorpus({ seed: 0, engine: await useEngine('cpu') });
  const [places, inJob] = [Number(passes) * samples.length!, 8 * presampleSize]; // with epochs, it tells its length
  const [size, drawn] = openShare === 1 ? [presampleSize, draws] : [batchSize, 1];
  let sum = 0;
  for (let from = 0; from < places; from += inJob) sum += Math.ceil(Math.min(inJob, places - from) / size) * drawn;
  return sum;
}

/** Whether the present trainer is past its start: one that is killed before its first step would prove little. */
async function hasBegun(): Promise<boolean> {
  return (await readFile(join(out, 'ids.jsonl'), 'utf8').catch(() => '')).length > 0;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port: free } = probe.address() as AddressInfo;
  probe.close();
  return free;
}
