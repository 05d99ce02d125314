/**
 * What choosing costs besides scoring: the gate, the draw, the weights, a table of scores. Processor time of the host's
 * part alone, over that of a training step.
 *
 *     node --import tsx bench/scheme-cost.ts [--engine auto] [--task mnist-cnn] [--rounds 2000] [--seed 1]
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { EngineName } from '../src/engine/engine.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { ScoreTable } from '../src/importance/score-table.ts';
import { fuse } from '../src/engine/layers/fuse.ts';
import { select } from '../src/resample/select.ts';
import { Smoothing, SmoothingOptions } from '../src/resample/smoothing.ts';
import { tau } from '../src/resample/tau.ts';
import { tauGate } from '../src/resample/tau-gate.ts';
import { clocks } from '../src/stream/clock.ts';
import { createRng } from '../src/stream/random.ts';
import { proportional, type Selection } from '../src/stream/selection.ts';
import { fit } from '../src/train/fit.ts';
import { tasks } from './tasks/tasks.ts';

const { values: flags } = parseArgs({
  options: {
    engine: { type: 'string', default: 'auto' },
    task: { type: 'string', default: 'mnist-cnn' },
    rounds: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
  },
});
const [rounds, seed] = [Number(flags.rounds), Number(flags.seed)];
const pipeline = tasks[flags.task]!;
const { batchSize: b = 128, presampleSize: B = 640 } = pipeline.options;
const engine = await useEngine(flags.engine as EngineName | 'auto');
console.log(`${cpus()[0]?.model}, Node ${process.version}, ${engine.description}, seed ${seed}, b ${b}, B ${B}`);

/** Microseconds of processor time of one round. */
function microseconds(work: (round: number) => void): number {
  for (let i = 0; i < rounds / 4; i++) work(i);
  const begun = clocks.processor();
  for (let i = 0; i < rounds; i++) work(i);
  return (1000 * (clocks.processor() - begun)) / rounds;
}

const step = await stepMicroseconds();
console.log(`a uniform step of ${flags.task}: ${step.toFixed(0)} µs of processor time`);
const rng = createRng(seed, 'scheme-cost');
const scores = Float32Array.from({ length: B }, () => rng.uniform() ** 3);
const few = scores.slice(0, b);
const smoothing = new Smoothing(SmoothingOptions.parse({ uniformFloor: 0.1 }));
const drawing = (selection: Selection, draws: number) => () =>
  select(scores, { tau: tau(scores), share: 0 }, { selection, smoothing, batchSize: b, draws, rng });
const gate = tauGate({ tauThreshold: 1.5 });
const table = new ScoreTable({ historyLimit: 100_000 });
const ids = Array.from({ length: 60_000 }, (_, i) => `train:${i}`);
const costs: readonly (readonly [string, (round: number) => void])[] = [
  ['the gate, a uniform step', () => gate.observe(few)],
  ['the gate and a draw of Algorithm 1', () => (gate.observe(scores), drawing(proportional, 1)())],
  ['the same, four minibatches', () => (gate.observe(scores), drawing(proportional, 4)())],
  ['distinct rows', drawing({ draw: 'distinct' }, 1)],
  ['the largest (hard-negative)', drawing({ draw: 'top' }, 1)],
  [
    'a table of scores: b read and written',
    (round) => {
      const own = Array.from({ length: b }, (_, i) => ids[(round * b + i) % ids.length]!);
      for (const id of own) table.get(id);
      table.update(own, few);
    },
  ],
];
for (const [name, work] of costs) {
  const cost = microseconds(work);
  console.log(
    `${name.padEnd(40)} ${cost.toFixed(0).padStart(6)} µs  ${((100 * cost) / step).toFixed(2).padStart(5)} % of the step`,
  );
}

/** Of the middle of a run: from its 20th step on. */
async function stepMicroseconds(steps = 150): Promise<number> {
  const corpus = await pipeline.openCorpus({ seed, engine });
  const model = await pipeline.buildModel({ seed, engine, corpus });
  fuse(model);
  let begun = 0;
  await fit(model, corpus.train, {
    batchSize: b,
    steps: steps + 20,
    scheme: 'uniform',
    presampleSize: B,
    seed,
    onStep: ({ step: done }) => {
      if (done === 20) begun = clocks.processor();
    },
  });
  const spent = clocks.processor() - begun;
  model.optimizer.dispose();
  model.dispose();
  return (1000 * spent) / steps;
}
