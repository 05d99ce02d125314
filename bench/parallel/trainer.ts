/** One trainer of bench/parallel.ts in a process of its own: trains in rounds, each when it is told to. */
import { once } from 'node:events';
import * as tf from '@tensorflow/tfjs';
import { joinTrainers, type TrainersOptions } from '../../src/cluster/parallel/join-trainers.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { charLstm } from '../../src/model/char-lstm.ts';
import { createRng } from '../../src/stream/random.ts';
import { fit } from '../../src/train/fit.ts';
import type { StepRecord } from '../../src/train/step-record.ts';
import { inMemory } from '../tasks/in-memory.ts';

/** What a trainer is told at its start. */
export interface TrainerTask {
  readonly batchSize: number;
  readonly seed: number;
  readonly units: number;
  readonly stepsARound: number;
  readonly rounds: number;
  /** Where it and the others listen, and which it is; alone without them. */
  readonly addresses?: string;
  readonly rank?: number;
  readonly sum?: TrainersOptions['sum'];
}

/** What it tells after each round. */
export interface RoundOutcome {
  readonly ms: number;
  /** Processor time of this process, all its threads together. */
  readonly cpuMs: number;
  readonly losses: readonly number[];
  /** What the engine is, in words. */
  readonly engine: string;
}

const [window, characters, windows] = [64, 80, 4096];

/** Windows of a seeded chain of characters, which a model can learn to foretell. */
function chain(seed: number) {
  const rng = createRng(seed, 'chain');
  const follows = Array.from({ length: characters }, () => Array.from({ length: 4 }, () => rng.integer(characters)));
  let last = 0;
  const next = (): number => (last = rng.uniform() < 0.1 ? rng.integer(characters) : follows[last]![rng.integer(4)]!);
  const rows = Array.from({ length: windows }, (_, i) => {
    const text = Int32Array.from({ length: window + 1 }, next);
    return { id: `w:${i}`, x: text.slice(0, window), y: text.slice(1) };
  });
  const column = { type: 'int32', shape: [window] } as const;
  return inMemory('chain', { x: column, y: column }, rows);
}

const task = JSON.parse(process.argv[2]!) as TrainerTask; // written by bench/parallel.ts
const { batchSize, seed, units, stepsARound, rounds, addresses, rank = 0, sum = 'auto' } = task;
const { description } = await useEngine('tensorflow', { intraOpThreads: 1, interOpThreads: 1 });
const model = charLstm({ vocabularySize: characters, units, seed });
model.compile({ optimizer: tf.train.adam(0.002), loss: 'sparseCategoricalCrossentropy' });
const trainers = addresses === undefined ? undefined : await joinTrainers({ addresses, rank, sum });

process.on('disconnect', () => process.exit()); // whoever tells is gone

let losses: number[] = [];
let begun = { ms: performance.now(), cpu: process.cpuUsage() };
const tell = (outcome: RoundOutcome) => process.send!(outcome);

/** Ends a round, and waits to be told to begin the next. */
async function endRound({ step }: StepRecord): Promise<void> {
  const { user, system } = process.cpuUsage(begun.cpu);
  tell({ ms: performance.now() - begun.ms, cpuMs: (user + system) / 1000, losses, engine: description });
  if (step < stepsARound * rounds) await once(process, 'message');
  losses = [];
  begun = { ms: performance.now(), cpu: process.cpuUsage() };
}

await fit(model, chain(seed), {
  scheme: 'uniform',
  presampleSize: batchSize,
  batchSize,
  seed,
  steps: stepsARound * rounds,
  ...(trainers && { trainers }),
  onStep: async (record) => {
    losses.push(record.loss);
    if (record.step % stepsARound === 0) await endRound(record);
  },
});
await trainers?.leave();
process.exit();
