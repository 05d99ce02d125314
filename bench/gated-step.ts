/**
 * The whole gated step as one compiled function (`gatedStep`) against the stages that `fit` runs: score, read, draw on the
 * host, gather, train. Pairs in turn; medians of their ratios, of the clock and of processor time.
 *
 *     npx tsx bench/gated-step.ts
 */
import { cpus, loadavg } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../src/engine/layers/fuse.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { modelScorer } from '../src/importance/model-scorer.ts';
import { upperBound } from '../src/importance/upper-bound.ts';
import { charLstm } from '../src/model/char-lstm.ts';
import { openHead, type Head } from '../src/model/head.ts';
import { select } from '../src/resample/select.ts';
import { Smoothing, SmoothingOptions } from '../src/resample/smoothing.ts';
import { tau } from '../src/resample/tau.ts';
import type { Column, Schema } from '../src/stream/columns.ts';
import { Minibatch } from '../src/stream/minibatch.ts';
import { Presample } from '../src/stream/presample.ts';
import { createRng } from '../src/stream/random.ts';
import { proportional } from '../src/stream/selection.ts';
import { gatedStep } from '../src/train/gated-step.ts';
import { adam } from '../src/train/optimizers/adam.ts';
import { weightedStep } from '../src/train/step.ts';
import { median } from './median.ts';

const pairs = 15;
const engine = await useEngine('tensorflow');
console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores; Node ${process.version}; ${engine.description}; ${pairs} pairs`,
);

const rng = createRng(7, 'resample');
const noise = (size: number) => Float32Array.from({ length: size }, () => 2 * rng.uniform() - 1);
const integers = (size: number, below: number) => Int32Array.from({ length: size }, () => rng.integer(below));
const column = (type: Column['type'], shape: readonly number[], data: Column['data']): Column => ({
  type,
  shape,
  data,
});

interface Case {
  readonly title: string;
  readonly model: tf.LayersModel;
  readonly batchSize: number;
  readonly x: Column;
  readonly y: Column;
  /** Steps a round. */
  readonly steps: number;
}

/** Both ways to take a step on a presample that lies ready. */
function waysOf({ x, y, batchSize }: Case, head: Head) {
  const ids = Array.from({ length: x.shape[0] ?? 0 }, (_, row) => String(row));
  const presample = new Presample(ids, { x, y }, 'importance');
  const rows = (of: Column): Schema[string] => ({ type: of.type, shape: of.shape.slice(1) });
  const schema: Schema = { x: rows(x), y: rows(y) };
  const settings = () => ({ optimizer: adam({ learningRate: 1e-3 }), weightDecay: 0 });
  const scorer = modelScorer(head, { scheme: upperBound, schema, scoreBatchSize: ids.length });
  const train = weightedStep(head, { ...settings(), compilable: true }, false);
  const whole = gatedStep(
    head,
    { ...settings(), score: (opened, z, targets) => opened.gradientNorm(z, targets) },
    batchSize,
  );
  const smoothing = new Smoothing(SmoothingOptions.parse({}));
  const model = head.model.inputs[0]?.dtype ?? 'float32';
  const input = (source: Presample | Minibatch) => tf.cast(source.tensor('x'), model);

  const byStages = async () => {
    const scores = await scorer.score(presample);
    const options = { selection: proportional, smoothing, batchSize, draws: 1, rng };
    const [pick] = select(scores, { tau: tau(scores), share: 0 }, options);
    if (!pick) throw new RangeError('one draw was asked for');
    const batch = new Minibatch(presample, { phase: 'importance', ...pick, tau: 1, version: 0 });
    const { loss } = tf.tidy(() => ({
      loss: train({ inputs: [input(batch)], targets: [batch.tensor('y')] }, tf.tensor1d(batch.weights), tf.scalar(1e-3))
        .loss,
    }));
    await loss.data();
    loss.dispose();
    batch.dispose();
  };
  const inOne = async () => {
    const numbers = Float64Array.from({ length: batchSize }, () => rng.uniform());
    const made = tf.tidy(() => {
      const { scores, picks, weights, losses } = whole(
        { inputs: [input(presample)], targets: [presample.tensor('y')] },
        numbers,
        tf.scalar(1e-3),
      );
      return [scores, picks, weights, ...losses];
    });
    const [scores] = await Promise.all(made.map((tensor) => tensor.data()));
    if (scores instanceof Float32Array) tau(scores);
    tf.dispose(made);
  };
  return { byStages, inOne };
}

async function round(work: () => Promise<void>, steps: number): Promise<[wall: number, cpu: number]> {
  const [begun, cpuBegun] = [performance.now(), process.cpuUsage()];
  for (let i = 0; i < steps; i++) await work();
  const { user, system } = process.cpuUsage(cpuBegun);
  return [(performance.now() - begun) / steps, (user + system) / 1000 / steps];
}

async function measure(one: Case): Promise<void> {
  one.model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
  fuse(one.model);
  const { byStages, inOne } = waysOf(one, openHead(one.model));
  const times: [stages: [number, number], whole: [number, number]][] = [];
  for (let i = -2; i < pairs; i++) {
    const first = i % 2 === 0 ? await round(inOne, one.steps) : undefined;
    const stages = await round(byStages, one.steps);
    const whole = first ?? (await round(inOne, one.steps));
    if (i >= 0) times.push([stages, whole]);
  }
  const ratio = (which: 0 | 1) => median(times.map(([stages, whole]) => stages[which] / whole[which])).toFixed(3);
  const cpu = (side: 0 | 1) => median(times.map((pair) => pair[side][1])).toFixed(2);
  console.log(
    `${one.title}: stages ${cpu(0)} ms of processor time, one function ${cpu(1)}: ${ratio(1)} times as fast, by the clock ${ratio(0)} (load ${loadavg()[0]?.toFixed(0)})`,
  );
}

const { layers: L } = tf;
const dense = (units: number, activation: 'relu' | 'softmax', inputShape?: number[]) =>
  L.dense({ units, activation, ...(inputShape && { inputShape }) });
await measure({
  title: 'MLP 64-64-10, B 96, b 32',
  model: tf.sequential({ layers: [dense(64, 'relu', [64]), dense(10, 'softmax')] }),
  batchSize: 32,
  x: column('float32', [96, 64], noise(96 * 64)),
  y: column('int32', [96], integers(96, 10)),
  steps: 60,
});
await measure({
  title: 'small CNN 28x28, B 640, b 128',
  model: tf.sequential({
    layers: [
      L.conv2d({ filters: 16, kernelSize: 3, activation: 'relu', inputShape: [28, 28, 1] }),
      L.maxPooling2d({ poolSize: 2 }),
      L.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
      L.maxPooling2d({ poolSize: 2 }),
      L.flatten(),
      dense(64, 'relu'),
      dense(10, 'softmax'),
    ],
  }),
  batchSize: 128,
  x: column('float32', [640, 28, 28, 1], noise(640 * 784)),
  y: column('int32', [640], integers(640, 10)),
  steps: 6,
});
await measure({
  title: 'char LSTM T 64, H 128, B 128, b 32',
  model: charLstm({ vocabularySize: 80, units: 128, seed: 7 }),
  batchSize: 32,
  x: column('int32', [128, 64], integers(128 * 64, 80)),
  y: column('int32', [128, 64], integers(128 * 64, 80)),
  steps: 4,
});
