/**
 * Two trainers of one thread each against one trainer of one thread, on a character LSTM (T 64, batch 32 each): samples a
 * second, by the clock and by processor time, in rounds that take turns, for each way to sum gradients. Beside them two
 * trainers at the same time that have nothing to do with each other: what two cores give at most. And the loss curve of
 * the two against one trainer with twice the batch, over the first 50 steps. The clock's ratio says something on a machine
 * with nothing else to do.
 *
 *     npx tsx bench/parallel.ts [--rounds 15] [--steps 20] [--units 128] [--sums shared,grpc]
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freeAddresses, showAddress } from '../src/cluster/parallel/addresses.ts';
import { describeMachine, describeVersions } from '../src/report/run-file.ts';
import type { RoundOutcome, TrainerTask } from './parallel/trainer.ts';
import { median } from './median.ts';

const [seed, batchSize, compared] = [7, 32, 50];
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    steps: { type: 'string', default: '20' },
    units: { type: 'string', default: '128' },
    sums: { type: 'string', default: 'shared,grpc' },
  },
});
const [stepsARound, units] = [Number(values.steps), Number(values.units)];
/** Rounds that are not measured: the steps that are compared, and what is traced and compiled in them. */
const warmUp = Math.ceil(compared / stepsARound);
const rounds = Number(values.rounds) + warmUp;

const program = fileURLToPath(new URL('parallel/trainer.ts', import.meta.url));
const start = (more: Partial<TrainerTask>): ChildProcess => {
  const task: TrainerTask = { batchSize, seed, units, stepsARound, rounds, ...more };
  return fork(program, [JSON.stringify(task)], { env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' } });
};

/** A round of trainers that train at the same time. */
async function round(trainers: readonly ChildProcess[], isFirst: boolean): Promise<RoundOutcome[]> {
  const ends = trainers.map(async (trainer) => {
    const over = new AbortController();
    const { signal } = over;
    const [outcome] = await Promise.race([
      once(trainer, 'message', { signal }),
      once(trainer, 'exit', { signal }).then(([code]) => {
        throw new Error(`A trainer ended with ${code}.`);
      }),
    ]).finally(() => over.abort());
    return outcome as RoundOutcome; // trainer.ts sends nothing else
  });
  if (!isFirst) for (const trainer of trainers) trainer.send('go');
  return Promise.all(ends);
}

const total = (numbers: readonly number[]) => numbers.reduce((sum, value) => sum + value, 0);

/** What is compared, in words. */
const described: Record<string, string> = { one: 'one', apart: 'two that do not sum' };

const sums = values.sums.split(',') as NonNullable<TrainerTask['sum']>[]; // joinTrainers checks them
const one = [start({})];
const twice = [start({ batchSize: 2 * batchSize })];
const arms: Record<string, readonly ChildProcess[]> = { one, apart: [start({}), start({})] };
for (const sum of sums) {
  const addresses = (await freeAddresses(2)).map(showAddress).join(',');
  arms[sum] = [0, 1].map((rank) => start({ addresses, rank, sum }));
}

interface Measured {
  readonly ms: number;
  readonly cpuMs: number;
}
/** @returns per trainer */
const measure = (outcomes: readonly RoundOutcome[]): Measured => ({
  ms: Math.max(...outcomes.map(({ ms }) => ms)),
  cpuMs: total(outcomes.map(({ cpuMs }) => cpuMs)) / outcomes.length,
});

const curves: Record<string, number[]> = { twice: [] };
const measured: Record<string, Measured>[] = [];
let engine = '';
for (let i = 0; i < rounds; i++) {
  if (i < warmUp) {
    for (const { losses } of await round(twice, i === 0)) curves['twice']!.push(...losses);
    for (const [name, trainers] of Object.entries(arms)) {
      const [outcome] = await round(trainers, i === 0);
      (curves[name] ??= []).push(...outcome!.losses);
      ({ engine } = outcome!);
    }
    if (i === warmUp - 1) twice[0]!.kill();
    continue;
  }
  const names = Object.keys(arms);
  const order = i % 2 === 0 ? names : names.toReversed();
  const outcomes: Record<string, Measured> = {};
  for (const name of order) outcomes[name] = measure(await round(arms[name]!, false));
  measured.push(outcomes);
}

const { processor, cores, memoryBytes, platform } = describeMachine();
console.log(
  `${processor}, ${cores} cores, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB, ${platform}; ${JSON.stringify(describeVersions())}; ${engine}; seed ${seed}; load ${loadavg()[0]?.toFixed(1)}`,
);
console.log(
  `char LSTM T 64, ${units} units, batch ${batchSize} a trainer, ${measured.length} rounds of ${stepsARound} steps; medians`,
);
for (const [name, trainers] of Object.entries(arms)) {
  const [count, samples] = [trainers.length, trainers.length * stepsARound * batchSize];
  const of = (value: (outcomes: Record<string, Measured>) => number) => median(measured.map(value));
  const rate = of((outcomes) => (1000 * samples) / outcomes[name]!.ms);
  const gain = of((outcomes) => (count * outcomes['one']!.ms) / outcomes[name]!.ms);
  const cpuMs = of((outcomes) => outcomes[name]!.cpuMs / stepsARound);
  const work = of((outcomes) => outcomes[name]!.cpuMs / outcomes['one']!.cpuMs);
  console.log(
    `${described[name] ?? `two, summing by ${name}`}: ${rate.toFixed(0)} samples/s, ${gain.toFixed(2)} times as many as one by the clock; ` +
      `${cpuMs.toFixed(2)} ms of processor time a step of each, ${work.toFixed(2)} times as much, so at most ${(count / work).toFixed(2)} times as many samples/s`,
  );
}
const { twice: whole } = curves;
for (const sum of sums) {
  const apart = whole!.slice(0, compared).map((loss, i) => Math.abs(loss - curves[sum]![i]!));
  const farthest = Math.max(...apart);
  console.log(
    `loss over ${compared} steps: one with twice the batch ${whole![0]?.toFixed(4)} to ${whole![compared - 1]?.toFixed(4)}, two summing by ${sum} at most ${farthest.toExponential(1)} from it (step ${apart.indexOf(farthest) + 1})`,
  );
}
