import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../src/engine/layers/fuse.ts';
import { lstmSequence } from '../src/engine/layers/lstm-sequence.ts';
import { loadTensorflow } from '../src/engine/tensorflow/index.ts';
import { smallCnn } from '../src/model/small-cnn.ts';
import { wideResnet } from '../src/model/wide-resnet.ts';

/*
 * Training steps on the engine `tensorflow`, compiled, against Keras (compiled) and PyTorch in the same run: rounds take
 * turns, and what is reported is the median of each and the median of the ratios of neighbouring rounds. Processor time
 * stands beside it: it says more where the machine is not quiet.
 * Run: bench/peers/make-venv.sh once, then npx tsx bench/engines.ts [case …] on a quiet machine.
 */
const rounds = 7;
const engine = await loadTensorflow();

interface Case {
  readonly name: string;
  readonly title: string;
  /** Steps a round. */
  readonly steps: number;
  /** Makes the step; it gives the loss, so that the work is done when it is read. */
  make(): () => tf.Tensor;
}

const randomClasses = (shape: number[], classes: number) => tf.randomUniform(shape, 0, classes, 'int32');

/** Mean cross-entropy of logits [N, C] with classes [N]. */
function crossEntropy(logits: tf.Tensor2D, classes: tf.Tensor): tf.Scalar {
  const [, count] = logits.shape;
  const picked = tf.oneHot(classes.flatten().toInt(), count).toFloat();
  return tf.losses.softmaxCrossEntropy(picked, logits).asScalar();
}

type Update = (variable: tf.Variable, gradient: tf.Tensor) => void;

/** SGD with momentum 0.9. */
function momentum(): Update {
  const slots = new Map<tf.Variable, tf.Variable>();
  return (variable, gradient) => {
    const slot = slots.get(variable) ?? tf.variable(tf.zerosLike(variable), false);
    slots.set(variable, slot);
    slot.assign(slot.mul(0.9).add(gradient));
    variable.assign(variable.sub(slot.mul(0.01)));
  };
}

function adam(): Update {
  const slots = new Map<tf.Variable, readonly [tf.Variable, tf.Variable, tf.Variable]>();
  const zeros = (variable: tf.Variable) => tf.variable(tf.zerosLike(variable), false);
  return (variable, gradient) => {
    const [m, v, t] = slots.get(variable) ?? [zeros(variable), zeros(variable), tf.variable(tf.scalar(0), false)];
    slots.set(variable, [m, v, t]);
    t.assign(t.add(1));
    m.assign(m.mul(0.9).add(gradient.mul(0.1)));
    v.assign(v.mul(0.999).add(gradient.square().mul(0.001)));
    const rate = tf
      .sqrt(tf.sub(1, tf.pow(0.999, t)))
      .div(tf.sub(1, tf.pow(0.9, t)))
      .mul(1e-3);
    variable.assign(variable.sub(m.div(v.sqrt().add(1e-7)).mul(rate)));
  };
}

function training(model: tf.LayersModel, x: tf.Tensor, classes: tf.Tensor, update: Update): () => tf.Tensor {
  fuse(model);
  const variables = model.trainableWeights
    .map((weight) => weight.read())
    .filter((weight) => weight instanceof tf.Variable);
  const step = engine.compile((input: tf.Tensor, labels: tf.Tensor) => {
    const loss = () => {
      const output = model.apply(input, { training: true });
      if (!(output instanceof tf.Tensor)) throw new TypeError('the models of this bench have one output');
      return crossEntropy(output.reshape([-1, output.shape.at(-1) ?? 1]), labels);
    };
    const { value, grads } = tf.variableGrads(loss, variables);
    for (const variable of variables) update(variable, grads[variable.name] ?? tf.zerosLike(variable));
    return value;
  });
  return () => step(x, classes);
}

function lstm(steps: number, batch: number, input: number, size: number): () => tf.Tensor {
  const x = tf.randomNormal<tf.Rank.R3>([batch, steps, input]);
  const weights = [[input, 4 * size], [size, 4 * size], [4 * size]].map((shape) =>
    tf.variable(tf.randomNormal(shape, 0, 0.05)),
  );
  const step = engine.compile((sequence: tf.Tensor3D) => {
    const forward = () => {
      const [kernel, recurrent, bias] = weights;
      if (!kernel || !recurrent || !bias) throw new RangeError('an LSTM has three weights');
      const { outputs } = lstmSequence(
        sequence,
        kernel.as2D(input, 4 * size),
        recurrent.as2D(size, 4 * size),
        bias.as1D(),
        {
          recurrentActivation: 'sigmoid',
        },
      );
      return outputs.sum().asScalar();
    };
    const { value, grads } = tf.variableGrads(forward, weights);
    return [value, ...Object.values(grads)];
  });
  return () => {
    const [value, ...gradients] = step(x);
    tf.dispose(gradients);
    if (!value) throw new RangeError('a step gives its loss');
    return value;
  };
}

const charLstm = () =>
  tf.sequential({
    layers: [
      tf.layers.embedding({ inputDim: 80, outputDim: 64, inputLength: 64 }),
      tf.layers.lstm({ units: 256, returnSequences: true, recurrentActivation: 'sigmoid' }),
      tf.layers.dense({ units: 80 }),
    ],
  });

const cases: readonly Case[] = [
  {
    name: 'lstm-64',
    title: 'LSTM T 64, B 64, I 128, H 256, forward + backward',
    steps: 8,
    make: () => lstm(64, 64, 128, 256),
  },
  {
    name: 'lstm-784',
    title: 'LSTM T 784, B 32, I 1, H 128, forward + backward',
    steps: 4,
    make: () => lstm(784, 32, 1, 128),
  },
  {
    name: 'wide-resnet',
    title: 'WRN-28-2, b 32, 32x32x3, SGD momentum',
    steps: 3,
    make: () =>
      training(
        wideResnet({ logits: true, seed: 1 }),
        tf.randomNormal([32, 32, 32, 3]),
        randomClasses([32], 10),
        momentum(),
      ),
  },
  {
    name: 'small-cnn',
    title: 'small CNN, b 128, 28x28, SGD momentum',
    steps: 60,
    make: () =>
      training(
        smallCnn({ halvedBy: 'maximum', logits: true, seed: 1 }),
        tf.randomNormal([128, 28, 28, 1]),
        randomClasses([128], 10),
        momentum(),
      ),
  },
  {
    name: 'char-lstm',
    title: 'char LSTM T 64, B 64, 80 characters, embedding 64, H 256, Adam',
    steps: 8,
    make: () => training(charLstm(), randomClasses([64, 64], 80), randomClasses([64, 64], 80), adam()),
  },
];

/** A peer: a Python process that runs a round when it is asked to, and rests otherwise. */
async function startPeer(script: string) {
  const python = fileURLToPath(new URL('peers/.venv/bin/python', import.meta.url));
  if (!existsSync(python)) return undefined;
  const child: ChildProcess = spawn(python, [fileURLToPath(new URL(`peers/${script}`, import.meta.url))], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  if (!child.stdout || !child.stdin) return undefined;
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => String((await lines.next()).value);
  const name = await nextLine();
  if (name === 'undefined') return undefined; // it ended: its library is not there
  return {
    name,
    round: async ({ name: which, steps }: Case) => {
      stdin.write(`${which} ${steps}\n`);
      const [wall = NaN, cpu = NaN] = (await nextLine()).split(' ').map(Number);
      return [wall, cpu] as Times;
    },
    stop: () => child.kill(),
  };
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/** Milliseconds a step: of the clock and of processors. */
type Times = readonly [wall: number, cpu: number];

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
