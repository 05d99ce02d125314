/**
 * A server, workers and a trainer on this machine, of which some are killed at random: prints what was offered, scored,
 * trained, expired and duplicate, and checks that nothing was trained on twice.
 *
 *     npx tsx bench/cluster-kills.ts pipelines/moby-dick.ts --seconds 60 --every 5
 *     npx tsx bench/cluster-kills.ts test/cluster/fixtures/slow.ts --epochs 40 --worker-kills 100 --server-kills 20 --trainer-kills 5
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
import { createRng } from '../src/stream/random.ts';

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
  },
});
const [file = 'pipelines/moby-dick.ts'] = positionals;
const number = (name: keyof typeof values, otherwise: number) => Number(values[name] ?? otherwise);
const [everyMs, seed] = [1000 * number('every', 5), number('seed', 7)];
const seconds = values.seconds ?? '60';
const limit = values.epochs === undefined ? ['--seconds', seconds] : ['--epochs', values.epochs];
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
  source: Record<string, number>;
};
const { steps, samplesSeen, epochs, stoppedBy, source } = summary;
console.log(
  JSON.stringify({
    machine: `${cpus().length} × ${cpus()[0]?.model}, loaded or not as it was`,
    node: process.version,
    file,
    seed,
  }),
);
console.log(JSON.stringify({ exit: trainer.exitCode, kills, steps, samplesSeen, epochs, stoppedBy, ...source }));
console.log(JSON.stringify({ minibatches: origins.length, trainedTwice: origins.length - new Set(origins).size }));
await rm(folder, { recursive: true, force: true });
process.exitCode = origins.length === new Set(origins).size && trainer.exitCode === 0 ? 0 : 1;

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
