import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { modelScorer } from '../src/importance/model-scorer.ts';
import { upperBound } from '../src/importance/upper-bound.ts';
import { openHead } from '../src/model/head.ts';
import type { Column } from '../src/stream/columns.ts';
import { Presample } from '../src/stream/presample.ts';
import { cases, cnn, engine, wrn, type Case } from './engine-cases.ts';
import { python, startPeer, type Times } from './peers/peer.ts';
import { median } from './median.ts';

/*
 * Training steps on the engine `tensorflow`, compiled, against Keras (compiled) and PyTorch in the same run: rounds take
 * turns, and what is reported is the median of each and the median of the ratios of neighbouring rounds. Processor time
 * stands beside it: it says more where the machine is not quiet. Set OMP_WAIT_POLICY=passive there: otherwise the threads
 * of PyTorch spin for each other while something else has their processor.
 * After that: peak memory and first calls in processes of their own, scoring against a bare forward pass, one small operation.
 * Run: bench/peers/make-venv.sh once, then npx tsx bench/engines.ts [case | memory | scoring | operation …].
 */
const rounds = 7;

const noise = (shape: readonly number[]) => {
  const values = tf.randomNormal([...shape], 0, 1, 'float32', 7);
  const read = Float32Array.from(values.dataSync());
  values.dispose();
  return read;
};
const withSoftmax = (model: tf.LayersModel): tf.LayersModel => {
  const outputs = tf.layers.activation({ activation: 'softmax' }).apply(model.outputs);
  if (!(outputs instanceof tf.SymbolicTensor)) throw new TypeError('the models of this bench have one output');
  return tf.model({ inputs: model.inputs, outputs });
};

function ownRound(step: () => tf.Tensor, steps: number): Times {
  const begun = performance.now();
  const cpuBegun = process.cpuUsage();
  for (let i = 0; i < steps; i++) {
    const loss = step();
    loss.dataSync();
    loss.dispose();
  }
  const { user, system } = process.cpuUsage(cpuBegun);
  return [(performance.now() - begun) / steps, (user + system) / 1000 / steps];
}

/** Runs two works in turn, and gives the medians of each and of the ratios of neighbours. */
async function inPairs(ours: () => Promise<Times>, theirs: () => Promise<Times>) {
  const pairs: [Times, Times][] = [];
  for (let i = 0; i < rounds + 1; i++) pairs.push([await ours(), await theirs()]);
  const measured = pairs.slice(1); // the first warms up
  const ratio = (which: 0 | 1) => median(measured.map(([a, b]) => a[which] / b[which]));
  const middle = (side: 0 | 1) => ([0, 1] as const).map((which) => median(measured.map((pair) => pair[side][which])));
  return { ours: middle(0), theirs: middle(1), wall: ratio(0), cpu: ratio(1) };
}

async function timed(work: () => Promise<unknown>): Promise<Times> {
  const [begun, cpuBegun] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpuBegun);
  return [performance.now() - begun, (user + system) / 1000];
}

/** Scoring by the upper bound against a forward pass whose result is read, both compiled, of 640 samples that lie ready. */
async function scoring(name: string, model: tf.LayersModel, x: Column): Promise<void> {
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
  const rows = x.shape[0] ?? 0;
  const y: Column = { type: 'int32', shape: [rows], data: Int32Array.from({ length: rows }, (_, row) => row % 10) };
  const ids = Array.from({ length: rows }, String);
  const ready = new Presample(ids, { x, y }, 'importance');
  const schema = { x: { type: x.type, shape: x.shape.slice(1) }, y: { type: y.type, shape: [] } } as const;
  const scorer = modelScorer(openHead(model), { scheme: upperBound, schema, scoreBatchSize: rows });
  const forward = engine.compile((input: tf.Tensor) => model.predict(input, { batchSize: rows }) as tf.Tensor); // one output
  const bare = async () => {
    const output = forward(ready.tensor('x'));
    await output.data();
    output.dispose();
  };
  const { ours, theirs, wall, cpu } = await inPairs(
    () => timed(() => scorer.score(ready)),
    () => timed(bare),
  );
  const shown = ([w = NaN, c = NaN]: readonly number[]) => `${w.toFixed(1)} ms (cpu ${c.toFixed(1)})`;
  console.log(
    `scoring B ${rows} / bare forward, ${name}: ${wall.toFixed(3)}, by cpu ${cpu.toFixed(3)} (${shown(ours)} / ${shown(theirs)}; goal at most 1.03)`,
  );
  ready.release();
}

/** Peak memory of a process that compiles a step and takes some, and how much of it came after the library was ready. */
function memory(each: Case): void {
  const child = (command: string, args: readonly string[]) => {
    const { stdout } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const [ready = NaN, peak = NaN, first = NaN] = stdout.trim().split(' ').map(Number);
    return { peak, growth: peak - ready, first };
  };
  const own = fileURLToPath(new URL('engine-memory.ts', import.meta.url));
  const peer = fileURLToPath(new URL('peers/keras_peer.py', import.meta.url));
  const ours = child(process.execPath, ['--import', 'tsx', own, each.name]);
  const keras = existsSync(python) ? child(python, [peer, 'memory', each.name]) : undefined;
  const shown = ({ peak, growth, first }: typeof ours) =>
    `${peak.toFixed(0)} MB, of which ${growth.toFixed(0)} after loading, first call ${first.toFixed(0)} ms`;
  console.log(
    `${each.name}: peak memory ${shown(ours)}` +
      (keras
        ? `; Keras ${shown(keras)}: ${(ours.peak / keras.peak).toFixed(2)} times, after loading ${(ours.growth / keras.growth).toFixed(2)} (goal at most 1.1)`
        : '; no Keras'),
  );
}

/** One small operation through the binding. */
async function smallOperation(): Promise<void> {
  const [a, b] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])];
  const count = 20_000;
  const times: Times[] = [];
  for (let round = 0; round < 5; round++) {
    times.push(
      await timed(async () => {
        for (let i = 0; i < count; i++) tf.add(a, b).dispose();
      }),
    );
  }
  const micros = (which: 0 | 1) => ((median(times.map((time) => time[which])) / count) * 1000).toFixed(1);
  console.log(
    `one small operation, tf.add(a, b).dispose(): ${micros(0)} µs (cpu ${micros(1)}). The compiled addon of tfjs-node is not ` +
      'measured here: it needs a prebuilt file or a compiler; where it was, it took 13.2 µs to the binding’s 14.1.',
  );
  tf.dispose([a, b]);
}

const processor = cpus()[0]?.model ?? 'a CPU of no name';
console.log(
  `${processor}, ${cpus().length} cores, ${(totalmem() / 1e9).toFixed(0)} GB; Node ${process.version}; ${engine.description}; load ${loadavg()[0]?.toFixed(1)}`,
);
const started = await Promise.all([startPeer('keras_peer.py'), startPeer('torch_peer.py')]);
const peers = started.filter((peer) => peer !== undefined);
if (peers.length === 0) console.log('no peers: run bench/peers/make-venv.sh');
console.log(
  `peers: ${peers.map(({ name }) => name).join(', ')}; ${rounds} rounds; milliseconds a step; times = peer / ours`,
);

const asked = process.argv.slice(2);

for (const each of cases.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  const step = each.make();
  const begun = performance.now();
  const first = step();
  first.dataSync();
  const firstMs = performance.now() - begun;
  first.dispose();
  ownRound(step, 3);
  for (const peer of peers) await peer.round({ ...each, steps: 1 });
  const own: Times[] = [];
  const others = peers.map((): Times[] => []);
  for (let round = 0; round < rounds; round++) {
    own.push(ownRound(step, each.steps));
    for (const [i, peer] of peers.entries()) others[i]?.push(await peer.round(each));
  }
  const middle = (times: readonly Times[]) =>
    `${median(times.map(([wall]) => wall)).toFixed(1)} (cpu ${median(times.map(([, cpu]) => cpu)).toFixed(1)})`;
  const theirs = peers.map(({ name }, i) => {
    const times = others[i] ?? [];
    const ratio = (which: 0 | 1) =>
      median(times.map((time, round) => time[which] / (own[round]?.[which] ?? NaN))).toFixed(2);
    return `${name.split(' ')[0]} ${middle(times)}: ${ratio(0)} times, by cpu ${ratio(1)}`;
  });
  console.log(`${each.title}: ours ${middle(own)}; ${theirs.join('; ')}; first call ${firstMs.toFixed(0)} ms`);
}
for (const peer of peers) peer.stop();

const wants = (part: string) => asked.length === 0 || asked.includes(part);
if (wants('memory')) for (const each of cases) memory(each);
if (wants('scoring')) {
  const pixels = (shape: number[]): Column => ({ type: 'float32', shape, data: noise(shape) });
  await scoring('small CNN', withSoftmax(cnn()), pixels([640, 28, 28, 1]));
  await scoring('WRN-28-2', withSoftmax(wrn()), pixels([640, 32, 32, 3]));
}
if (wants('operation')) await smallOperation();
