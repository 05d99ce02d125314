/**
 * What a scoring process gains and costs: a uniform step, a gated step that scores inline, and one whose scores come from
 * another process, one and two presamples ahead. Turns are taken, medians of the rounds printed: steps a second by the
 * clock, and processor time a step of the trainer and of the scoring process. The gate is held open.
 *
 *     node --import tsx bench/placement.ts [--engine wasm] [--score-engine wasm] [--threads 1] [--rounds 5] [--steps 60] [--seed 7]
 *
 * `--threads` are those of TensorFlow in the trainer; its scoring process has one. Other engines have one everywhere.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import type { EngineName } from '../src/engine/engine.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { createRng } from '../src/stream/random.ts';
import type { Corpus } from '../src/stream/sample.ts';
import type { FitOptions } from '../src/train/fit-options.ts';
import { fit } from '../src/train/fit.ts';
import { median } from './median.ts';

const { values: flags } = parseArgs({
  options: {
    engine: { type: 'string', default: 'wasm' },
    'score-engine': { type: 'string' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '60' },
    seed: { type: 'string', default: '7' },
  },
});
const [rounds, steps, seed] = [Number(flags.rounds), Number(flags.steps), Number(flags.seed)];
const [batchSize, presampleSize, warmUp] = [128, 640, 10];
const threadsOf = (engine: string, count: number) =>
  engine === 'tensorflow' ? { intraOpThreads: count, interOpThreads: count } : {};
const engine = await useEngine(flags.engine as EngineName, threadsOf(flags.engine, Number(flags.threads)));
const scoreEngine = (flags['score-engine'] ?? flags.engine) as EngineName;

/** Images of noise about ten patterns: what they are does not change what a step costs. */
function images(length = 4096): Corpus {
  const rng = createRng(seed, 'images');
  const pixels = 28 * 28;
  const rows = Array.from({ length }, (_, i) => {
    const y = i % 10;
    const x = Float32Array.from({ length: pixels }, (__, at) => Number(at % 10 === y) + rng.uniform());
    return { id: `i:${i}`, x, y };
  });
  return {
    name: 'noise',
    schema: { x: { type: 'float32', shape: [28, 28, 1] }, y: { type: 'int32', shape: [] } },
    length,
    async *samples({ epochs = Infinity }) {
      for (let epoch = 0; epoch < epochs; epoch++) yield* rows;
    },
  };
}

function convolutional(): tf.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 16, kernelSize: 3, activation: 'relu', inputShape: [28, 28, 1] }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 128, activation: 'relu' }),
      tf.layers.dense({ units: 10, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: tf.train.momentum(0.01, 0.9), loss: 'sparseCategoricalCrossentropy' });
  return model;
}

/** Milliseconds of processor time that the processes begun by this one have had; nothing where the system does not tell. */
function childrenMs(): number | undefined {
  try {
    const own = readdirSync('/proc/self/task').flatMap((task) =>
      readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
    );
    const ticks = own.map((pid) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return Number(fields[11]) + Number(fields[12]); // user and system, in hundredths of a second
    });
    return 10 * ticks.reduce((sum, value) => sum + value, 0);
  } catch {
    return undefined;
  }
}
const ownMs = () => (process.cpuUsage().user + process.cpuUsage().system) / 1000;
const moment = () => ({ wall: performance.now(), own: ownMs(), children: childrenMs() });

interface Measured {
  readonly wallMs: number;
  readonly trainerMs: number;
  readonly scoringMs: number;
  readonly age: number;
}

const corpus = images();

async function measure(options: Partial<FitOptions>): Promise<Measured> {
  const model = convolutional();
  let [from, to] = [moment(), moment()];
  let age = 0;
  await fit(model, corpus, {
    batchSize,
    presampleSize,
    tauThreshold: 0,
    seed,
    steps: warmUp + steps,
    ...options,
    onStep: (record) => {
      age = record.age ?? 0;
      if (record.step === warmUp) from = moment();
      if (record.step === warmUp + steps) to = moment();
    },
  });
  model.optimizer.dispose();
  model.dispose();
  const scoringMs = (to.children ?? NaN) - (from.children ?? NaN);
  return {
    wallMs: (to.wall - from.wall) / steps,
    trainerMs: (to.own - from.own) / steps,
    scoringMs: scoringMs / steps,
    age,
  };
}

const elsewhere = (ahead: number): Partial<FitOptions> => ({
  score: { where: 'process', engine: scoreEngine, engineOptions: threadsOf(scoreEngine, 1), ahead },
});
const ways: Readonly<Record<string, Partial<FitOptions>>> = {
  uniform: { scheme: 'uniform' },
  'gated, inline': {},
  'gated, a process, 0 ahead': elsewhere(0),
  'gated, a process, 1 ahead': elsewhere(1),
  'gated, a process, 2 ahead': elsewhere(2),
};

console.log(
  `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}; Node ${process.version}, tfjs ${tf.version.tfjs}; ` +
    `${engine.description}, ${flags.engine === 'tensorflow' ? `${flags.threads} threads` : 'one thread'}; scoring process: ${scoreEngine}, one thread; seed ${seed}`,
);
console.log(
  `CNN of two convolutions, 28 × 28, b ${batchSize}, B ${presampleSize}; medians of ${rounds} rounds of ${steps} steps\n`,
);
const results = new Map<string, Measured[]>();
for (let round = 0; round < rounds; round++)
  for (const [name, options] of Object.entries(ways))
    results.set(name, [...(results.get(name) ?? []), await measure(options)]);
console.table(
  Object.fromEntries(
    [...results].map(([name, measured]) => {
      const of = (key: keyof Measured) => median(measured.map((one) => one[key]));
      const isPlaced = name.includes('process');
      return [
        name,
        {
          'steps/s': Number((1000 / of('wallMs')).toFixed(1)),
          'ms a step': Number(of('wallMs').toFixed(1)),
          'processor, trainer': Number(of('trainerMs').toFixed(1)),
          'processor, scoring': isPlaced ? Number(of('scoringMs').toFixed(1)) : 0,
          'age of scores': of('age'),
        },
      ];
    }),
  ),
);
