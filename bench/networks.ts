/**
 * The networks against the same ones in Keras and PyTorch: numbers of parameters, and the logits of one forward
 * pass with the same weights, which must agree to 1e-4 of the largest. ResNet-50 is Keras' own application, its weights carried over by layer name.
 *
 *     bench/peers/make-venv.sh && npx tsx bench/networks.ts [case …] [--engine tensorflow] [--python FILE]
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import type { EngineName } from '../src/engine/engine.ts';
import { fuse } from '../src/engine/layers/fuse.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { pixelLstm, pixelOrder } from '../src/model/pixel-lstm.ts';
import { resnet50 } from '../src/model/resnet50.ts';
import { sequenceClassifier } from '../src/model/sequence-classifier.ts';
import { smallCnn } from '../src/model/small-cnn.ts';
import { textClassifier } from '../src/model/text-classifier.ts';
import { wideResnet } from '../src/model/wide-resnet.ts';
import { createRng } from '../src/stream/random.ts';

const TOLERANCE = 1e-4;
const peers = fileURLToPath(new URL('peers', import.meta.url));
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string', default: 'auto' },
    python: { type: 'string', default: join(peers, '.venv/bin/python') },
  },
});

interface Case {
  make(this: void): tf.LayersModel;
  /** Shape of a batch. */
  readonly input: readonly number[];
  /** Parameters that are trained, as they were published; the source in the docstrings. */
  readonly published?: number;
  /** Tokens are whole numbers below this. */
  readonly tokens?: number;
  /** Rows from here on end in padding. */
  readonly padsFrom?: number;
  readonly order?: readonly number[];
}

const seed = 1;
const cases: Readonly<Record<string, Case>> = {
  'wrn-28-2': { make: () => wideResnet({ logits: true, seed }), input: [4, 32, 32, 3], published: 1_467_610 },
  'wrn-28-10': {
    make: () => wideResnet({ width: 10, logits: true, seed }),
    input: [2, 32, 32, 3],
    published: 36_479_194,
  },
  'wrn-10-1': {
    make: () => wideResnet({ depth: 10, width: 1, inputShape: [28, 28, 1], logits: true, seed }),
    input: [4, 28, 28, 1],
  },
  resnet50: { make: () => resnet50({ logits: true, seed }), input: [2, 224, 224, 3], published: 25_583_592 },
  'small-cnn': { make: () => smallCnn({ logits: true, seed }), input: [4, 28, 28, 1] },
  'small-cnn-maximum': { make: () => smallCnn({ halvedBy: 'maximum', logits: true, seed }), input: [4, 28, 28, 1] },
  'pixel-lstm': {
    make: () => pixelLstm({ shrink: 2, logits: true, seed }),
    input: [4, 28, 28, 1],
    order: pixelOrder(196, 0),
  },
  'sequence-classifier': {
    make: () => sequenceClassifier({ features: 12, classes: 9, units: 64, layers: 2, padding: 0, logits: true, seed }),
    input: [4, 29, 12],
    padsFrom: 2,
  },
  'text-classifier': {
    make: () => textClassifier({ vocabularySize: 500, classes: 2, embedding: 32, units: 64, logits: true, seed }),
    input: [4, 50],
    tokens: 500,
    padsFrom: 2,
  },
};

/** Moves every weight a little from where it starts, so that no statistic, scale or bias is a plain 0 or 1. */
function disturb(model: tf.LayersModel): void {
  const rng = createRng(seed, 'disturbed');
  for (const layer of model.layers) {
    if (layer.name === 'order') continue;
    const moved = layer.getWeights().map((weight) => {
      const values = Float32Array.from(weight.dataSync(), (value) => value + 0.02 * (rng.uniform() - 0.5));
      return tf.tensor(values, weight.shape);
    });
    layer.setWeights(moved);
    tf.dispose(moved);
  }
}

function batchFor({ input, tokens, padsFrom = Infinity }: Case): Float32Array {
  const rng = createRng(seed, 'input');
  const [rows = 1, ...rest] = input;
  const row = rest.reduce((product, axis) => product * axis, 1);
  const draw = () => (tokens === undefined ? 2 * rng.uniform() - 1 : 1 + rng.integer(tokens - 1));
  const values = Float32Array.from({ length: rows * row }, draw);
  for (let i = padsFrom; i < rows; i++) {
    const step = row / rest[0]!;
    values.fill(0, i * row + step * (3 + i), (i + 1) * row);
  }
  return values;
}

async function writeCase(folder: string, name: string, { make, ...rest }: Case) {
  const model = make();
  fuse(model);
  disturb(model);
  const values = batchFor({ make, ...rest });
  const dtype = rest.tokens === undefined ? 'float32' : 'int32';
  const x = tf.tensor(values, [...rest.input], dtype);
  const output = model.predict(x) as tf.Tensor;
  const layers = model.layers
    .filter((layer) => layer.weights.length > 0)
    .map((layer) => ({ name: layer.name, weights: layer.getWeights() }));
  const parts = [values, ...layers.flatMap(({ weights }) => weights.map((weight) => weight.dataSync<'float32'>()))];
  await writeFile(
    join(folder, `${name}.bin`),
    Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength))),
  );
  const trained = model.trainableWeights.reduce((sum, { shape }) => sum + tf.util.sizeFromShape(shape as number[]), 0);
  const result = { trained, total: model.countParams(), output: Array.from(await output.data()) };
  tf.dispose([x, output]);
  model.dispose();
  return {
    result,
    description: {
      name,
      dtype,
      input: rest.input,
      ...(rest.order && { order: rest.order }),
      layers: layers.map(({ name: layer, weights }) => ({ name: layer, shapes: weights.map(({ shape }) => shape) })),
    },
  };
}

type Answer = { name: string; trained: number | null; output: number[] };

async function ask(library: string, folder: string): Promise<Answer[]> {
  const script = join(peers, 'networks_peer.py');
  const { stdout, stderr } = await promisify(execFile)(flags.python, [script, library, folder], { maxBuffer: 2 ** 28 });
  console.log(stderr.trim().split('\n').at(-1));
  return stdout
    .trim()
    .split('\n')
    .map((line): Answer => JSON.parse(line));
}

const engine = await useEngine(flags.engine as EngineName | 'auto');
console.log(`${cpus()[0]?.model}, Node ${process.version}, ${engine.description}, seed ${seed}`);
const folder = await mkdtemp(join(tmpdir(), 'taustream-networks-'));
let failed = 0;
try {
  const names = positionals.length > 0 ? positionals : Object.keys(cases);
  const own = new Map<string, Awaited<ReturnType<typeof writeCase>>>();
  for (const name of names) own.set(name, await writeCase(folder, name, cases[name]!));
  await writeFile(join(folder, 'cases.json'), JSON.stringify([...own.values()].map(({ description }) => description)));
  const answers: Record<string, Answer[]> = {};
  for (const library of ['keras', 'torch']) answers[library] = await ask(library, folder);
  console.log(
    `\n${'network'.padEnd(22)}${'trained'.padStart(12)}${'published'.padStart(12)}${'Keras'.padStart(12)}${'to Keras'.padStart(10)}${'to Torch'.padStart(10)}`,
  );
  for (const [name, { result }] of own) {
    const [keras, torch] = ['keras', 'torch'].map((library) =>
      answers[library]!.find((answer) => answer.name === name),
    );
    const largest = Math.max(...result.output.map(Math.abs));
    const distance = (answer?: Answer) =>
      answer &&
      Math.max(
        ...answer.output.map((value, i) => Math.abs(value - result.output[i]!) / largest),
        answer.output.length === result.output.length ? 0 : Infinity,
      );
    const [toKeras, toTorch] = [distance(keras), distance(torch)];
    const { published } = cases[name]!;
    const isRight =
      keras !== undefined &&
      [toKeras, toTorch].every((worst) => worst === undefined || worst <= TOLERANCE) &&
      [published, keras.trained].every((count) => count === undefined || count === result.trained);
    if (!isRight) failed += 1;
    const text = (worst?: number) => (worst === undefined ? '–' : worst.toExponential(1)).padStart(10);
    console.log(
      `${name.padEnd(22)}${String(result.trained).padStart(12)}${String(published ?? '–').padStart(12)}${String(keras?.trained ?? '–').padStart(12)}${text(toKeras)}${text(toTorch)}${isRight ? '' : '  WRONG'}`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
if (failed > 0) process.exitCode = 1;
