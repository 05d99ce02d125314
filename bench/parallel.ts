/**
 * Two trainers of one thread each against one trainer of one thread, on a character LSTM (T 64, batch 32 each): samples a
 * second, by the clock and by processor time, in rounds that take turns. And the loss curve of the two against one trainer
 * with twice the batch, over the first 50 steps. The clock's ratio says something on a machine with nothing else to do.
 *
 *     npx tsx bench/parallel.ts [--rounds 15] [--steps 20] [--units 128]
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freeAddresses, showAddress } from '../src/cluster/parallel/addresses.ts';
import { describeMachine, describeVersions } from '../src/report/run-file.ts';
import type { RoundOutcome, TrainerTask } from './parallel/trainer.ts';

const [seed, batchSize, compared] = [7, 32, 50];
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    steps: { type: 'string', default: '20' },
    units: { type: 'string', default: '128' },
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

const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
const sum = (numbers: readonly number[]) => numbers.reduce((total, value) => total + value, 0);

const addresses = (await freeAddresses(2)).map(showAddress).join(',');
const one = [start({})];
const twice = [start({ batchSize: 2 * batchSize })];
const two = [0, 1].map((rank) => start({ addresses, rank }));

interface Measured {
  readonly ms: number;
  readonly cpuMs: number;
}
const measure = (outcomes: readonly RoundOutcome[]): Measured => ({
  ms: Math.max(...outcomes.map(({ ms }) => ms)),
  cpuMs: sum(outcomes.map(({ cpuMs }) => cpuMs)),
});

const curves: Record<'two' | 'twice', number[]> = { two: [], twice: [] };
const pairs: { readonly one: Measured; readonly two: Measured }[] = [];
let engine = '';
for (let i = 0; i < rounds; i++) {
  if (i < warmUp) {
    for (const { losses } of (await round(twice, i === 0)).slice(0, 1)) curves.twice.push(...losses);
    const [alone, together] = [await round(one, i === 0), await round(two, i === 0)];
    curves.two.push(...together[0]!.losses);
    engine = alone[0]!.engine;
    if (i === warmUp - 1) twice[0]!.kill();
    continue;
  }
  const first = i % 2 === 0 ? measure(await round(one, false)) : undefined;
  const together = measure(await round(two, false));
  pairs.push({ one: first ?? measure(await round(one, false)), two: together });
}

const { processor, cores, memoryBytes, platform } = describeMachine();
console.log(
  `${processor}, ${cores} cores, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB, ${platform}; ${JSON.stringify(describeVersions())}; ${engine}; seed ${seed}; load ${loadavg()[0]?.toFixed(1)}`,
);
const samples = stepsARound * batchSize;
const rate = (which: 'one' | 'two', by: keyof Measured) =>
  median(pairs.map((pair) => ((which === 'two' ? 2 : 1) * samples * 1000) / pair[which][by])).toFixed(0);
const gain = median(pairs.map((pair) => (2 * pair.one.ms) / pair.two.ms));
const work = median(pairs.map((pair) => pair.two.cpuMs / 2 / pair.one.cpuMs));
console.log(
  `char LSTM T 64, ${units} units, batch ${batchSize} a trainer, ${pairs.length} pairs of ${stepsARound} steps`,
);
console.log(
  `by the clock: one ${rate('one', 'ms')} samples/s, two ${rate('two', 'ms')}: ${gain.toFixed(2)} times as many`,
);
console.log(
  `processor time a step: one ${median(pairs.map(({ one: { cpuMs } }) => cpuMs / stepsARound)).toFixed(2)} ms, each of two ${median(pairs.map(({ two: { cpuMs } }) => cpuMs / 2 / stepsARound)).toFixed(2)} ms: ${work.toFixed(2)} times as much, so at most ${(2 / work).toFixed(2)} times as many samples/s`,
);
const apart = curves.twice.slice(0, compared).map((loss, i) => Math.abs(loss - curves.two[i]!));
const farthest = Math.max(...apart);
console.log(
  `loss over ${compared} steps: one with twice the batch ${curves.twice[0]?.toFixed(4)} to ${curves.twice[compared - 1]?.toFixed(4)}, two at most ${farthest.toExponential(1)} from it (step ${apart.indexOf(farthest) + 1})`,
);
