/**
 * What it costs to write a run down: metrics, TensorBoard's events, scores, the samples drawn most. Processor time of one
 * step's recording, against that of the step itself, on shapes of text and of images. Usage:
 *
 *     node --import tsx bench/recording.ts [--engine wasm] [--steps 2000]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { charLstm, fit, useEngine, type Corpus, type Minibatch } from 'taustream';
import type { EngineName } from '../src/engine/engine.ts';
import { MetricsFile } from '../src/report/metrics-file.ts';
import { describeMachine, describeVersions } from '../src/report/run-file.ts';
import { RunRecorder } from '../src/report/run-recorder.ts';
import { createRng } from '../src/stream/random.ts';
import type { StepRecord } from '../src/train/step-record.ts';

const seed = 7;
const { values } = parseArgs({
  options: { engine: { type: 'string', default: 'auto' }, steps: { type: 'string', default: '2000' } },
});
const steps = Number(values.steps);

const text = { name: 'text: b 32, T 64', batchSize: 32, presampleSize: 96, x: [64], y: [64] };
const images = { name: 'images: b 128, 28x28', batchSize: 128, presampleSize: 640, x: [28, 28, 1], y: [] };
type Shapes = typeof text;

const corpusOf = ({ name, x, y }: Shapes): Corpus => ({
  name,
  schema: {
    x: { type: name.startsWith('text') ? 'int32' : 'float32', shape: x },
    y: { type: 'int32', shape: y },
  },
  length: undefined,
  async *samples() {
    const rng = createRng(seed, name);
    const numbers = (shape: readonly number[]) =>
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.integer(10));
    for (let i = 0; ; i++) yield { id: `s:${i % 60_000}`, x: numbers(x), y: numbers(y) };
  },
});

function modelOf({ name }: Shapes): tf.LayersModel {
  if (name.startsWith('text')) {
    const model = charLstm({ vocabularySize: 80, units: 128, seed });
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
    return model;
  }
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', inputShape: [28, 28, 1] }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 10, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
  return model;
}

const processorMs = (since?: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

interface Told {
  readonly batch: Minibatch;
  readonly scores: Float32Array;
  readonly record: StepRecord;
}

/** One gated step's time, and what it tells a recorder. */
async function trainFor(shapes: Shapes, count: number): Promise<{ stepMs: number; told: Told }> {
  const model = modelOf(shapes);
  const { batchSize, presampleSize } = shapes;
  let [since, batch, scores, record] = [process.cpuUsage(), undefined, undefined, undefined] as [
    NodeJS.CpuUsage,
    Minibatch | undefined,
    Float32Array | undefined,
    StepRecord | undefined,
  ];
  await fit(model, corpusOf(shapes), {
    steps: count + 5,
    batchSize,
    presampleSize,
    seed,
    tauThreshold: 0,
    onScores: (_, of) => (scores = of),
    onMinibatch: (of) => (batch = of),
    onStep: (of) => {
      record = of;
      if (of.step === 5) since = process.cpuUsage(); // the first steps compile
    },
  });
  const stepMs = processorMs(since) / count;
  if (!batch || !scores || !record) throw new Error('the run told nothing');
  return { stepMs, told: { batch, scores, record } };
}

/** Processor time of recording one step, in milliseconds. */
async function recordFor({ batch, scores, record }: Told): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'taustream-recording-'));
  try {
    using recorder = await RunRecorder.open(folder);
    using metrics = new MetricsFile(join(folder, 'metrics.jsonl'));
    let id = 0;
    const next = () => ({ ...batch, presample: batch.presample, ids: batch.ids.map(() => `s:${(id += 7) % 60_000}`) });
    const batches = Array.from({ length: 200 }, next) as unknown as Minibatch[]; // all that a recorder reads of one
    const start = process.cpuUsage();
    for (let step = 1; step <= steps; step++) {
      recorder.minibatch(batches[step % batches.length]!);
      recorder.scores(scores);
      const told = { ...record, step, loss: 1 / step, tau: 1 + 1 / step };
      metrics.write(told);
      recorder.step(told);
    }
    return processorMs(start) / steps;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const engine = await useEngine(values.engine as EngineName | 'auto');
console.log(
  JSON.stringify({ machine: describeMachine(), versions: describeVersions(), seed, engine: engine.description }),
);
for (const shapes of [text, images]) {
  const { stepMs, told } = await trainFor(shapes, 30);
  const recordMs = await recordFor(told);
  const share = ((100 * recordMs) / stepMs).toFixed(2);
  console.log(
    `${shapes.name}: a gated step takes ${stepMs.toFixed(2)} ms of processor time, recording it ${(1000 * recordMs).toFixed(1)} µs: ${share} % (goal: under 1 %)`,
  );
}
