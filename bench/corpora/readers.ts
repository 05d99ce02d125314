import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { corpus } from '../../src/corpus/open-corpus.ts';
import { recordCorpus } from '../../src/corpus/record-corpus.ts';
import { textCorpus } from '../../src/corpus/text-corpus.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { charLstm } from '../../src/model/char-lstm.ts';
import { smallCnn } from '../../src/model/small-cnn.ts';
import { presample } from '../../src/presample/presample.ts';
import { shutGate } from '../../src/resample/tau-gate.ts';
import type { Corpus } from '../../src/stream/sample.ts';
import { fit } from '../../src/train/fit.ts';

export const WINDOW = 64;
const SIDE = 224;
const BUFFER = 8192;
/** Of an epoch: buffers fill, threads start, code is compiled. */
const WARM_SAMPLES = 0.1;
const LIMIT_MS = 2500;

/** What every system prints of a case. */
export interface Measured {
  /** Read in all, in the epoch or until the time was up. */
  readonly samples: number;
  readonly perSecond: number;
  readonly perProcessorSecond: number;
}

export const batchSizes = { text: 128, records: 128, idx: 128, images: 32 } as const;
export type Case = keyof typeof batchSizes;
export const isCase = (name: string | undefined): name is Case => name !== undefined && Object.hasOwn(batchSizes, name);

const openers: Readonly<Record<Case, (folder: string) => Promise<Corpus>>> = {
  text: (folder) => textCorpus({ path: join(folder, 'text.txt'), window: WINDOW, unit: 'byte' }),
  records: (folder) => recordCorpus(join(folder, 'records')),
  idx: (folder) => corpus(join(folder, 'idx')),
  images: (folder) =>
    corpus({
      path: join(folder, 'images.zip'),
      image: { height: SIDE, width: SIDE, fit: 'fill', kernel: 'linear' },
      shuffleBuffer: 500,
    }),
};

/** Reads a shuffled epoch in batches as a trainer gets them: contiguous columns of `batchSize` rows. */
export async function measureOurs(name: Case, folder: string, seed: number): Promise<Measured> {
  const opened = await openers[name](folder);
  const batchSize = batchSizes[name];
  const stage = presample({ schema: opened.schema, gate: shutGate(), batchSize, presampleSize: batchSize });
  return measure(
    stage(opened.samples({ seed, epochs: 1 })),
    (batch) => batch.ids.length,
    (batch) => batch.release(),
    opened.length!,
  );
}

/** The same by tfjs-data, which reads neither of these files by itself: it is handed what lies in memory. */
export async function measureTfjs(name: Case, folder: string, seed: number): Promise<Measured> {
  await tf.setBackend('cpu'); // of its own: to copy what lies in memory is all that is asked
  const { rows, length } = await (name === 'text' ? textRows(folder) : digitRows(folder));
  const dataset = tf.data.generator(rows).shuffle(BUFFER, String(seed)).batch(batchSizes[name]);
  const iterator = await dataset.iterator();
  const batches = async function* () {
    for (let next = await iterator.next(); !next.done; next = await iterator.next())
      yield next.value as Readonly<Record<'x' | 'y', tf.Tensor>>; // what `rows` yields, batched
  };
  return measure(
    batches(),
    ({ y }) => y.size / (name === 'text' ? WINDOW : 1),
    (batch) => tf.dispose(batch),
    length,
  );
}

interface Rows {
  readonly length: number;
  readonly rows: () => Iterator<tf.TensorContainer>;
}

async function textRows(folder: string): Promise<Rows> {
  const text = await readFile(join(folder, 'text.txt'));
  const length = Math.floor((text.length - 1) / WINDOW);
  const rows = function* () {
    for (let i = 0; i < length; i++) {
      const row = Int32Array.from(text.subarray(i * WINDOW, i * WINDOW + WINDOW + 1));
      yield { x: row.subarray(0, -1), y: row.subarray(1) };
    }
  };
  return { length, rows };
}

async function digitRows(folder: string): Promise<Rows> {
  const images = (await readFile(join(folder, 'idx', 'train-images-idx3-ubyte'))).subarray(16);
  const labels = (await readFile(join(folder, 'idx', 'train-labels-idx1-ubyte'))).subarray(8);
  const rows = function* () {
    for (let i = 0; i < labels.length; i++)
      yield { x: new Uint8Array(images.subarray(i * 784, (i + 1) * 784)), y: labels[i]! };
  };
  return { length: labels.length, rows };
}

/** Times an epoch but for its first tenth, up to some seconds; the processor time is of all of it, all threads. */
async function measure<Batch>(
  batches: AsyncIterable<Batch>,
  rows: (batch: Batch) => number,
  release: (batch: Batch) => void,
  length: number,
): Promise<Measured> {
  const before = process.cpuUsage();
  let [timed, whole, started] = [0, 0, 0];
  for await (const batch of batches) {
    whole += rows(batch);
    const now = performance.now();
    if (started > 0) timed += rows(batch);
    else if (whole >= WARM_SAMPLES * length) started = now;
    release(batch);
    if (started > 0 && now - started > LIMIT_MS) break;
  }
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { samples: whole, perSecond: timed / seconds, perProcessorSecond: whole / ((user + system) / 1e6) };
}

/** Milliseconds from nothing to the first sample in the middle of a corpus, and from the opened corpus alone. */
export async function measureResume(path: string, seed: number): Promise<{ opening: number; resuming: number }> {
  const started = performance.now();
  const opened = await corpus({ path, window: WINDOW, unit: 'byte' });
  const between = performance.now();
  const stream = opened.samples({ seed });
  const from = { ...stream.position!(0), place: Math.floor(opened.length / 2) };
  let first = 0;
  for await (const _ of opened.samples({ seed, from })) {
    first = performance.now(); // leaving waits for what is read ahead of it
    break;
  }
  return { opening: between - started, resuming: first - between };
}

/** Peak memory of a process that reads so many windows. */
export async function measurePeak(path: string, windows: number, seed: number): Promise<number> {
  const opened = await textCorpus({ path, window: WINDOW, unit: 'byte' });
  const stage = presample({ schema: opened.schema, gate: shutGate(), batchSize: 128, presampleSize: 128 });
  let left = windows;
  for await (const batch of stage(opened.samples({ seed }))) {
    left -= batch.ids.length;
    batch.release();
    if (left <= 0) break;
  }
  return process.resourceUsage().maxRSS * 1024;
}

/** Pipelines whose trainer should not wait: characters of a text, images of IDX files. */
export const trainings = {
  'char-LSTM': {
    open: async (folder: string) => textCorpus({ path: join(folder, 'text.txt'), window: WINDOW, unit: 'byte' }),
    model: (seed: number) => charLstm({ vocabularySize: 256, units: 128, seed }),
    batchSize: 32,
  },
  CNN: {
    open: async (folder: string) => corpus(join(folder, 'idx')),
    model: (seed: number) => smallCnn({ classes: 10, seed }),
    batchSize: 128,
  },
} as const;
export type Training = keyof typeof trainings;
export const isTraining = (name: string | undefined): name is Training =>
  name !== undefined && Object.hasOwn(trainings, name);

/** Steps that compile and open files. */
const FIRST_STEPS = 10;

/** Shares of a trainer's time. */
export interface Waits {
  /** In which nothing is computed, for buffers are filled, copying included. */
  readonly waiting: number;
  /** In which buffers are filled, also while a step is computed. */
  readonly filling: number;
  readonly steps: number;
}

/** How long a trainer on TensorFlow waits for data. */
export async function measureWaits(
  name: Training,
  folder: string,
  { seed, seconds, mode }: { readonly seed: number; readonly seconds: number; readonly mode: 'fast' | 'paper' },
): Promise<Waits> {
  await useEngine('tensorflow');
  const { open, model: make, batchSize } = trainings[name];
  const model = make(seed);
  model.compile({ optimizer: tf.train.adam(1e-3), loss: 'sparseCategoricalCrossentropy' });
  let [waited, begun, ended] = [0, 0, 0];
  const { stages, steps } = await fit(model, await open(folder), {
    mode,
    batchSize,
    presampleSize: 5 * batchSize,
    seed,
    seconds,
    onStep: ({ step, seconds: now, waitedMs }) => {
      if (step === FIRST_STEPS) begun = now;
      if (step > FIRST_STEPS) waited += waitedMs;
      ended = now;
    },
  });
  if (steps <= FIRST_STEPS)
    throw new Error(
      `measureWaits(): expected more than ${FIRST_STEPS} steps of ${name}, got ${steps}. Give it more time.`,
    );
  return {
    waiting: waited / 1000 / (ended - begun),
    filling: stages!['presample']!.waitedUpstreamMs / 1000 / ended,
    steps,
  };
}
