/** The pipelines that come with the package, each trained for some steps on a small corpus in the format of its own. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { cifar } from '../pipelines/cifar.ts';
import electricDevices from '../pipelines/electric-devices.ts';
import fashionEmbedding from '../pipelines/fashion-embedding.ts';
import fashionWrn from '../pipelines/fashion-wrn.ts';
import japaneseVowels from '../pipelines/japanese-vowels.ts';
import mobyDick from '../pipelines/moby-dick.ts';
import permutedMnist from '../pipelines/permuted-mnist.ts';
import spam from '../pipelines/spam.ts';
import type { EngineName } from '../src/engine/engine.ts';
import { fuse } from '../src/engine/layers/fuse.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import type { Pipeline, PipelineCorpus } from '../src/pipeline.ts';
import { createRng } from '../src/stream/random.ts';
import type { Corpus, Sample } from '../src/stream/sample.ts';
import { fit } from '../src/train/fit.ts';
import type { StepRecord } from '../src/train/step-record.ts';

const rng = createRng(1, 'small corpora');
const bytes = (count: number) => Uint8Array.from({ length: count }, () => rng.integer(256));
const numbers = (count: number, separator: string) =>
  Array.from({ length: count }, () => (2 * rng.uniform() - 1).toFixed(4)).join(separator);
const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/** IDX as MNIST has it: a header, then the bytes. */
function idx(shape: readonly number[], data: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((axis, i) => header.writeUInt32BE(axis, 4 + 4 * i));
  return Buffer.concat([header, data]);
}

async function writeMnist(folder: string): Promise<void> {
  for (const [part, count] of [
    ['train', 20],
    ['t10k', 10],
  ] as const) {
    await writeFile(join(folder, `${part}-images-idx3-ubyte`), idx([count, 28, 28], bytes(784 * count)));
    const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
    await writeFile(join(folder, `${part}-labels-idx1-ubyte`), idx([count], labels));
  }
}

/** CIFAR's rows: `labels` label bytes, then the planes of red, green and blue. */
const cifarRows = (count: number, labels: readonly number[]) =>
  Buffer.concat(
    Array.from({ length: count }, (_, i) => Buffer.concat([Buffer.from(labels.map((of) => i % of)), bytes(3072)])),
  );

async function writeCifar10(folder: string): Promise<void> {
  for (const batch of [1, 2]) await writeFile(join(folder, `data_batch_${batch}.bin`), cifarRows(10, [10]));
  await writeFile(join(folder, 'test_batch.bin'), cifarRows(10, [10]));
}

const words = ['cheap', 'pills', 'meeting', 'patch', 'winner', 'kernel', 'free', 'list'];
const mailOf = (i: number) => ({
  id: `mail:${i}`,
  label: i % 2 === 0 ? 'spam' : 'ham',
  text: Array.from({ length: 5 + (i % 7) }, (_, at) => words[(i * 3 + at) % words.length]).join(' ') + ` ${i % 8}`,
});

/** The plain JavaScript engine would take minutes for these. */
const engine = await useEngine((process.env['TAUSTREAM_ENGINE'] ?? 'wasm') as EngineName);

/** What every pipeline does: opens its corpus at a path, builds its model, trains, validates, frees everything. */
async function trainAFew<Data extends PipelineCorpus>(pipeline: Pipeline<Data>, corpusPath: string) {
  const context = { seed: 1, engine, corpusPath };
  const corpus = await pipeline.openCorpus(context);
  const model = await pipeline.buildModel({ ...context, corpus });
  assert.deepEqual(fuse(model).left, []);
  const first = model.trainableWeights.map((weight) => Array.from(weight.read().dataSync()));
  const { name: _name, engine: _engine, seconds: _seconds, steps: _steps, ...options } = pipeline.options;
  const steps: StepRecord[] = [];
  const before = tf.memory().numTensors;
  const summary = await fit(model, corpus.train, {
    ...options,
    steps: 4,
    presampleSize: 8,
    batchSize: 4,
    tauThreshold: 0, // so that the gate opens on this little
    ...(corpus.validation && { validation: corpus.validation }),
    onStep: (record) => void steps.push(record),
  });
  const last = model.trainableWeights.map((weight) => Array.from(weight.read().dataSync()));
  const moved = last.filter((values, i) => values.some((value, j) => value !== first[i]![j])).length;
  assert.equal(tf.memory().numTensors, before);
  model.dispose();
  assert.equal(summary.steps, 4);
  assert.ok(steps.every(({ loss }) => Number.isFinite(loss) && loss > 0));
  assert.ok(
    steps.some(({ gate }) => gate === 'open'),
    'no step was drawn by importance',
  );
  assert.equal(moved, last.length, 'some weights were not trained');
  assert.ok(Number.isFinite(summary.validation?.last?.['acc']), 'accuracy was not measured');
  return corpus;
}

async function all(corpus: Corpus): Promise<Sample[]> {
  const samples: Sample[] = [];
  for await (const sample of corpus.samples({ seed: 1, epochs: 1, shuffle: false })) samples.push(sample);
  return samples;
}

describe('pipelines', () => {
  let folder: string;
  beforeEach(async () => {
    await useEngine(engine.name);
    folder = await mkdtemp(join(tmpdir(), 'taustream-pipelines-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('permuted-mnist reads digits pixel by pixel', async () => {
    await writeMnist(folder);
    const { train, validation } = await trainAFew(permutedMnist, folder);
    assert.deepEqual([train.length, validation.length], [20, 10]);
  });

  it('fashion-wrn trains a small wide ResNet on clothes', async () => {
    await writeMnist(folder);
    const { train, validation } = await trainAFew(fashionWrn, folder);
    assert.deepEqual([train.length, validation.length], [20, 10]);
  });

  it('moby-dick and fashion-embedding open the data that they are given', async () => {
    await writeMnist(folder);
    const { train } = await fashionEmbedding.openCorpus({ seed: 1, engine, corpusPath: folder });
    assert.equal(train.length, 20);
    const path = join(folder, 'alphabet.txt');
    await writeFile(path, 'abcdefghijklmnopqrstuvwxyz'.repeat(100));
    const text = await mobyDick.openCorpus({ seed: 1, engine, corpusPath: path });
    assert.equal(text.vocabulary.size, 26);
  });

  it('electric-devices tells appliances by their series', async () => {
    for (const [part, count] of [
      ['TRAIN', 21],
      ['TEST', 14],
    ] as const)
      await writeFile(
        join(folder, `Devices_${part}.tsv`),
        lines(count, (i) => `${1 + (i % 7)}\t${numbers(96, '\t')}`),
      );
    const { train, validation } = await trainAFew(electricDevices, folder);
    assert.deepEqual([train.length, validation.length], [21, 14]);
  });

  it('japanese-vowels tells speakers by series of different lengths', async () => {
    const utterance = (i: number) =>
      `${Array.from({ length: 12 }, () => numbers(3 + (i % 5), ',')).join(':')}:${1 + (i % 9)}`;
    for (const part of ['TRAIN', 'TEST'])
      await writeFile(join(folder, `Vowels_${part}.ts`), `@problemName Vowels\n@data\n${lines(18, utterance)}\n`);
    const { train, validation } = await trainAFew(japaneseVowels, folder);
    assert.deepEqual([train.length, validation.length], [18, 18]);
    assert.deepEqual(train.schema['x']!.shape, [null, 12]); // padded within a buffer only
  });

  it('spam learns from bodies that it is not validated on, each body once', async () => {
    const path = join(folder, 'mails.jsonl');
    await writeFile(path, `${lines(120, (i) => JSON.stringify(mailOf(i)))}\n`);
    const { train, validation, files } = await trainAFew(spam, path);
    const bodies = new Set(Array.from({ length: 120 }, (_, i) => mailOf(i).text)).size;
    const [seen, kept] = [await all(train), await all(validation)];
    assert.ok(bodies < 120);
    assert.equal(seen.length + kept.length, bodies);
    const bodyOf = ({ x }: Sample) => (x as Int32Array).join();
    const trainedOn = new Set(seen.map(bodyOf));
    assert.deepEqual(
      kept.map(bodyOf).filter((body) => !body.includes(',1,') && trainedOn.has(body)),
      [],
    ); // 1: unknown words
    assert.ok(files['words.json'].includes('cheap'));
  });

  it('cifar trains on copies that were augmented beforehand, of CIFAR-10 and CIFAR-100', async () => {
    const small = cifar({ copies: 3, depth: 10, width: 1 });
    await writeCifar10(folder);
    const { train, validation } = await trainAFew(small, folder);
    assert.deepEqual([train.length, validation.length, train.classes], [60, 10, { y: 10 }]);
    const samples = await all(train);
    assert.deepEqual(
      [0, 20, 40].map((at) => samples[at]!.id),
      ['data_batch_1.bin:0#0', 'data_batch_1.bin:0#1', 'data_batch_1.bin:0#2'],
    );
    assert.notDeepEqual(samples[0]!['x'], samples[20]!['x']);
    assert.deepEqual(await all(train), samples);

    const hundred = await mkdtemp(join(folder, 'hundred-'));
    await writeFile(join(hundred, 'train.bin'), cifarRows(20, [20, 100]));
    await writeFile(join(hundred, 'test.bin'), cifarRows(10, [20, 100]));
    const { train: fine } = await trainAFew(small, hundred);
    assert.deepEqual(fine.classes, { y: 100, coarse: 20 });
  });

  it("cifar has the paper's setting", async () => {
    const pipeline = cifar();
    const { presampleSize, batchSize, tauThreshold, steps, scheme, learningRate, weightDecay } = pipeline.options;
    assert.deepEqual([presampleSize, batchSize, tauThreshold, steps, scheme], [640, 128, 1.5, 50_000, 'upper-bound']);
    assert.deepEqual(learningRate, { kind: 'steps', rate: 0.1, at: [0.4, 0.8], factor: 0.2 }); // of 50,000: at 20,000 and 40,000
    assert.equal(weightDecay, undefined); // it is the penalty of the kernels, not decoupled
    const context = { seed: 1, engine, corpusPath: folder };
    await writeCifar10(folder);
    const corpus = await pipeline.openCorpus(context);
    assert.equal(corpus.train.length, 30 * 20); // 30 × 50,000 = 1.5 million
    const model = await pipeline.buildModel({ ...context, corpus });
    assert.equal(model.name, 'wide_resnet_28_2');
    const regularizer = model.getLayer('stem').getConfig()['kernelRegularizer'] as { config: { l2: number } };
    assert.equal(2 * regularizer.config.l2, 5e-4); // λ/2 ‖W‖², whose gradient is λ W
    assert.ok(model.optimizer instanceof tf.MomentumOptimizer);
    assert.equal(model.optimizer.getConfig()['momentum'], 0.9);
    model.dispose();
  });

  it('cifar says which files it wants, and refuses one that is cut short', async () => {
    const open = () => cifar().openCorpus({ seed: 1, engine, corpusPath: folder });
    await assert.rejects(open, {
      code: 'ERR_CORPUS',
      message: /expected CIFAR's binary files .* got 0 files .*--corpus FOLDER/,
    });
    await writeCifar10(folder);
    await writeFile(join(folder, 'data_batch_2.bin'), cifarRows(10, [10]).subarray(0, 3073 * 9 + 5));
    await assert.rejects(open, { code: 'ERR_SHARD', message: /data_batch_2\.bin/ });
  });
});
