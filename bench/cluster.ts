/**
 * Scoring elsewhere, on a machine of two cores that is otherwise idle. Three parts, all of them by default:
 *
 *     npx tsx bench/cluster.ts [--parts scoring,step,equal-time] [--tasks mnist-cnn,moby-dick] [--engine tensorflow]
 *         [--seconds 6] [--steps 120] [--pairs 3] [--equal-seconds 10] [--seeds 3] [--equal-tasks mnist-cnn,mnist-long-tail]
 *
 * `scoring`: samples scored a second by one worker of one thread and by two. The trainer only takes minibatches and gives
 * its parameters out; what it, the server and each worker use of the cores is printed, and beside it what the machine
 * gives the same work in one process and two without a fleet, because cores that share a cache or a clock do not give
 * twice as much. `step`: what a step costs the trainer against a uniform step, in pairs that take turns: with a worker that
 * scores here, with one that sends what was scored before, and with minibatches queued and everybody else stopped. `equal-time`:
 * uniform sampling, mode `fast` on one thread and on both cores, and a trainer of one thread with a worker on the second
 * core, for the same seconds; with seeds 0 to n − 1, the same weights and order for each.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus, loadavg } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { EngineName } from '../src/engine/engine.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { arms, runArm, tableOf, type ArmResult } from './cluster/equal-time.ts';
import { oneThread, readOnce, startBenchServer, WorkerProcess } from './cluster/processes.ts';
import { measureScoring } from './cluster/scoring.ts';
import { measureStep } from './cluster/step.ts';
import { tasks } from './tasks/tasks.ts';

const given = (otherwise: string) => ({ type: 'string', default: otherwise }) as const;
const { values } = parseArgs({
  options: {
    parts: given('scoring,step,equal-time'),
    tasks: given('mnist-cnn,moby-dick'),
    engine: given('tensorflow'),
    seconds: given('6'),
    steps: given('120'),
    pairs: given('3'),
    'equal-seconds': given('10'),
    'equal-tasks': given('mnist-cnn,mnist-long-tail'),
    seeds: given('3'),
  },
});
const parts = values.parts.split(',');
const engineName = values.engine as EngineName; // useEngine checks it
const engine = await useEngine(engineName, oneThread(engineName));
console.log(
  `${cpus().length} × ${cpus()[0]?.model}, load ${loadavg()[0]!.toFixed(2)}, Node ${process.version}, ${engine.description}`,
);

if (parts.includes('scoring')) {
  console.log(`\nScoring, ${values.seconds} s a measurement`);
  for (const task of values.tasks.split(','))
    await measureScoring({ task, engine, engineName, seconds: Number(values.seconds) });
}
if (parts.includes('step')) {
  console.log(`\nThe trainer's step, ${values.pairs} pairs of ${values.steps} steps`);
  const sizes = { steps: Number(values.steps), pairs: Number(values.pairs) };
  for (const task of values.tasks.split(','))
    for (const parametersEvery of [1, 10]) await measureStep({ task, engine, engineName, parametersEvery, ...sizes });
}
if (parts.includes('equal-time')) await compareAtEqualTime();

async function compareAtEqualTime(): Promise<void> {
  const [seconds, seeds, names] = [Number(values['equal-seconds']), Number(values.seeds), values['equal-tasks']];
  console.log(`\nAt equal wall-clock, ${seconds} s a run`);
  const results: ArmResult[] = [];
  const note = (result: ArmResult) => {
    results.push(result);
    console.log(`  ${JSON.stringify(result)}`);
  };
  for (const task of names.split(',')) {
    const pipeline = readOnce(tasks[task]!);
    await using started = await startBenchServer();
    const { url } = started.server;
    const worker = new WorkerProcess(task, engineName, url);
    const run = { task, engine, engineName, url };
    try {
      for (const arm of Object.keys(arms) as (keyof typeof arms)[])
        await runArm(pipeline, { ...run, arm, seed: 0, limit: { steps: 5 } }); // steps are compiled, the worker has joined
      for (let seed = 0; seed < seeds; seed++)
        for (const arm of rotated(Object.keys(arms) as (keyof typeof arms)[], seed))
          note(await runArm(pipeline, { ...run, arm, seed, limit: { seconds } }));
    } finally {
      await worker.stop();
    }
  }
  for (const result of await onBothCores(seconds, seeds, names))
    note({ ...result, arm: `fast, ${cpus().length} threads` });
  for (const task of names.split(',')) console.log(`\n${tableOf(task, results)}`);
}

async function onBothCores(seconds: number, seeds: number, names: string): Promise<ArmResult[]> {
  const program = fileURLToPath(new URL('cluster/both-cores.ts', import.meta.url));
  const args = ['--import', 'tsx', program, engineName, String(seconds), String(seeds), names];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return printed
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as ArmResult); // printed by both-cores.ts
}

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  return items.map((_, i) => items[(i + by) % items.length]!);
}
