/** Samples scored a second by one worker and by two of one thread each, with a trainer that only takes minibatches. */
import type { Engine, EngineName } from '../../src/engine/engine.ts';
import { tasks } from '../tasks/tasks.ts';
import { processorSeconds, readOnce, startBenchServer, WorkerProcess } from './processes.ts';
import { take } from './taker.ts';

export interface ScoringOptions {
  readonly task: string;
  readonly engine: Engine;
  readonly engineName: EngineName;
  /** Of each measurement. */
  readonly seconds: number;
}

/** Rates of one worker and two, with a fleet and without, each in the order 1 2 2 1, so that a drift favours none. */
export async function measureScoring(options: ScoringOptions): Promise<void> {
  const rates: Record<'fleet' | 'alone', [number[], number[]]> = { fleet: [[], []], alone: [[], []] };
  for (const count of [1, 2, 2, 1]) {
    rates.alone[count - 1]!.push(await withoutFleet(options, count));
    rates.fleet[count - 1]!.push(await withFleet(options, count));
  }
  const mean = (all: readonly number[]) => all.reduce((sum, one) => sum + one, 0) / all.length;
  const growth = ([one, two]: [number[], number[]]) => mean(two) / (2 * mean(one));
  const [fleet, alone] = [growth(rates.fleet), growth(rates.alone)];
  console.log(
    `${options.task}: fleet ${mean(rates.fleet[0]).toFixed(0)} samples/s with 1 worker, ${mean(rates.fleet[1]).toFixed(0)} with 2: ` +
      `${fleet.toFixed(3)} of linear (goal 0.9). The machine itself, the same work in 1 and 2 processes without a fleet: ` +
      `${mean(rates.alone[0]).toFixed(0)} and ${mean(rates.alone[1]).toFixed(0)}, ${alone.toFixed(3)} of linear. ` +
      `Fleet against machine: ${(mean(rates.fleet[0]) / mean(rates.alone[0])).toFixed(3)} with 1, ${(mean(rates.fleet[1]) / mean(rates.alone[1])).toFixed(3)} with 2.`,
  );
}

async function withoutFleet({ task, engineName, seconds }: ScoringOptions, count: number): Promise<number> {
  const workers = Array.from({ length: count }, () => new WorkerProcess(task, engineName, 'alone', seconds));
  try {
    await Promise.all(workers.map((worker) => worker.says(/ready/u)));
    for (const { child } of workers) child.stdin!.write('go\n');
    const said = await Promise.all(workers.map((worker) => worker.says(/([\d.]+) samples\/s/u)));
    return said.reduce((sum, [, rate]) => sum + Number(rate), 0);
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}

async function withFleet({ task, engine, engineName, seconds }: ScoringOptions, count: number): Promise<number> {
  await using started = await startBenchServer();
  const { server } = started;
  const workers = Array.from({ length: count }, () => new WorkerProcess(task, engineName, server.url));
  const everybody = [...workers.map(({ child }) => child.pid!), server.pid, process.pid];
  const spent = () => Promise.all(everybody.map(processorSeconds));
  let [before, after]: [number[], number[]] = [[], []];
  try {
    const joined = Promise.all(workers.map((worker) => worker.says(/joined/u)));
    const pipeline = readOnce(tasks[task]!);
    const options = { url: server.url, seconds, onNote: () => {} };
    const counted = { from: async () => void (before = await spent()), to: async () => void (after = await spent()) };
    const taken = await take(pipeline, engine, options, joined, counted);
    const cores = after.map((own, i) => (own - before[i]!) / taken.seconds);
    const perSecond = taken.samples / taken.seconds / cores.slice(0, count).reduce((sum, own) => sum + own, 0);
    const share = (some: readonly number[]) => some.map((own) => own.toFixed(2)).join(' + ');
    console.log(
      `  ${task}, ${count} worker${count === 1 ? '' : 's'}: ${(taken.samples / taken.seconds).toFixed(0)} samples/s, ${perSecond.toFixed(0)} a second of the workers' processor time; ` +
        `cores used: workers ${share(cores.slice(0, count))}, server ${share(cores.slice(count, -1))}, who takes ${share(cores.slice(-1))}`,
    );
    return taken.samples / taken.seconds;
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}
