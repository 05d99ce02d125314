/**
 * Cheaper scores, and what they lose: presamples scored by fewer time steps, by an older copy of the parameters, or by
 * rounded ones. A draw by any scores is unbiased; what it saves is τ, here that of the model's own scores for the
 * probabilities that the cheaper ones give.
 *
 *     node --import tsx bench/cheaper-scorers.ts [--task pixel-lstm] [--updates 1200] [--samples 512] [--engine auto] [--seed 1]
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import type { EngineName } from '../src/engine/engine.ts';
import { fuse } from '../src/engine/layers/fuse.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { modelScorer } from '../src/importance/model-scorer.ts';
import { upperBound } from '../src/importance/upper-bound.ts';
import { openHead } from '../src/model/head.ts';
import { presample } from '../src/presample/presample.ts';
import { probabilities } from '../src/resample/draw.ts';
import { tauOfDraw } from '../src/resample/tau.ts';
import { tauGate } from '../src/resample/tau-gate.ts';
import { clocks } from '../src/stream/clock.ts';
import { Presample } from '../src/stream/presample.ts';
import { unlimitedFitOptions } from '../src/pipeline.ts';
import { fit } from '../src/train/fit.ts';
import { pixelLstm, tasks } from './tasks/tasks.ts';

const { values: flags } = parseArgs({
  options: {
    task: { type: 'string', default: 'pixel-lstm' },
    updates: { type: 'string', default: '1200' },
    samples: { type: 'string', default: '512' },
    engine: { type: 'string', default: 'auto' },
    seed: { type: 'string', default: '1' },
  },
});
const [updates, samples, seed] = [Number(flags.updates), Number(flags.samples), Number(flags.seed)];
/** How many updates before the end the older copies are taken. */
const ages = [4, 16, 64];

const pipeline = tasks[flags.task]!;
const engine = await useEngine(flags.engine as EngineName | 'auto', { intraOpThreads: 1, interOpThreads: 1 });
const corpus = await pipeline.openCorpus({ seed, engine });
const model = await pipeline.buildModel({ seed, engine, corpus });
fuse(model);

type Weights = readonly tf.Tensor[];
const copyOf = (): Weights => model.getWeights().map((weight) => tf.keep(tf.clone(tf.add(weight, 0))));
const older = new Map<number, Weights>();
await fit(model, corpus.train, {
  ...unlimitedFitOptions(pipeline),
  steps: updates,
  learningRate: 0.003, // to the end: at a rate that has decayed an older copy is the same
  scheme: 'uniform',
  seed,
  onStep: ({ step }) => {
    const age = updates - step;
    if (ages.includes(age)) older.set(age, copyOf());
  },
});

const buffer = await firstPresample();
const now = copyOf();
const scoresOf = async (of: Presample, by: tf.LayersModel = model) => {
  const scorer = modelScorer(openHead(by), {
    scheme: upperBound,
    schema: Object.fromEntries(
      Object.entries(of.columns).map(([name, { type, shape }]) => [name, { type, shape: shape.slice(1) }]),
    ),
    scoreBatchSize: 256,
  });
  await scorer.score(of);
  const begun = clocks.processor();
  const scores = await scorer.score(of);
  return { scores, ms: clocks.processor() - begun };
};
const withWeights = async (weights: Weights) => {
  model.setWeights([...weights]);
  const result = await scoresOf(buffer);
  model.setWeights([...now]);
  return result;
};

const exact = await scoresOf(buffer);
const exactTau = tauOfDraw(exact.scores, drawnBy(exact.scores));
console.log(`${cpus()[0]?.model}, Node ${process.version}, ${engine.description}, seed ${seed}`);
console.log(`${flags.task} after ${updates} uniform updates, ${samples} samples; processor time\n`);
console.log('scores                          τ   of τ − 1 kept   cost');
show('the model’s own', exact);
const { shape } = buffer.column('x');
if (flags.task === 'pixel-lstm')
  for (const share of [0.75, 0.5, 0.25]) {
    const steps = Math.round(share * shape[1]!);
    show(`the last ${steps} of ${shape[1]} steps`, await scoresOf(lastSteps(buffer, steps), shorter(steps)));
  }
for (const age of ages.toReversed()) show(`${age} updates old`, await withWeights(older.get(age)!));
for (const bits of [8, 4, 2])
  show(`weights of ${bits} bits of mantissa`, await withWeights(now.map((weight) => rounded(weight, bits))));

/** A tenth of each draw is uniform: a sample that is scored too low must not weigh without bound. */
function drawnBy(scores: Float32Array): Float64Array {
  return probabilities(scores).map((p) => 0.9 * p + 0.1 / scores.length);
}

function show(name: string, { scores, ms }: { scores: Float32Array; ms: number }): void {
  const tau = tauOfDraw(exact.scores, drawnBy(scores));
  console.log(
    `${name.padEnd(28)} ${tau.toFixed(3)}  ${((100 * (tau - 1)) / (exactTau - 1)).toFixed(0).padStart(12)} %  ${((100 * ms) / exact.ms).toFixed(0).padStart(6)} %`,
  );
}

/** The same network for fewer steps, with the weights as they are. */
function shorter(steps: number): tf.LayersModel {
  const short = pixelLstm(seed, steps);
  short.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
  short.setWeights([...now]);
  fuse(short);
  return short;
}

/** A number's first bits: what a lower precision leaves of it. */
function rounded(weight: tf.Tensor, bits: number): tf.Tensor {
  const values = weight.dataSync<'float32'>().map((value) => {
    if (value === 0) return 0;
    const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - bits);
    return Math.round(value / unit) * unit;
  });
  return tf.tensor(values, weight.shape);
}

/** The same samples, of which only the last steps are looked at. */
function lastSteps(of: Presample, steps: number): Presample {
  const x = of.column('x');
  const [rows, all, features] = x.shape as [number, number, number];
  const data = new Float32Array(rows * steps * features);
  for (let row = 0; row < rows; row++)
    data.set(x.data.subarray((row * all + all - steps) * features, (row + 1) * all * features), row * steps * features);
  const columns = { ...of.columns, x: { type: x.type, shape: [rows, steps, features], data } };
  return new Presample(of.ids, columns, 'importance');
}

async function firstPresample(): Promise<Presample> {
  const fill = presample({
    schema: corpus.train.schema,
    gate: tauGate({ tauThreshold: 0 }),
    presampleSize: samples,
    batchSize: 1,
  });
  for await (const one of fill(corpus.train.samples({ seed: 1000 + seed }))) return one;
  throw new Error('The corpus is empty.');
}
