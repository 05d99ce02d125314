/**
 * Whether decoding and computing overlap: epochs of training over zipped JPEGs against the decoding alone and the
 * training alone, on pixels that lie in memory. What is decoded ahead goes on over an epoch's end; only a run's first
 * presample has nothing to overlap with, and its last one nothing to decode: `--epochs 1` shows what that costs. Rounds take turns. With one thread for each of the two (as below, on a
 * machine with two idle cores) an epoch should cost no more than the slower of them and 5 %; where others use the machine,
 * what counts is the processor time, which should be no more than that of both together.
 *
 *     UV_THREADPOOL_SIZE=1 node --import tsx bench/overlap.ts [--images 1024] [--epochs 4] [--rounds 5] [--batch 32] [--presample 128] [--filters 32] [--engine wasm]
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import { corpus } from '../src/corpus/open-corpus.ts';
import { RowStore } from '../src/corpus/row-store.ts';
import { storedZip } from '../src/corpus/stored-zip.ts';
import type { EngineName } from '../src/engine/engine.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import type { Corpus } from '../src/stream/sample.ts';
import { fit } from '../src/train/fit.ts';
import { median } from './median.ts';

const { values: flags } = parseArgs({
  options: {
    images: { type: 'string', default: '1024' },
    epochs: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    batch: { type: 'string', default: '32' },
    presample: { type: 'string', default: '128' },
    filters: { type: 'string', default: '32' },
    engine: { type: 'string', default: 'wasm' },
  },
});
const [images, rounds, batchSize] = [Number(flags.images), Number(flags.rounds), Number(flags.batch)];
const epochs = Number(flags.epochs);
const SIDE = 64;

interface Cost {
  readonly wall: number;
  readonly processor: number;
}

async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  const [begun, used] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(used);
  return { wall: (performance.now() - begun) / 1000, processor: (user + system) / 1e6 };
}

async function writePictures(path: string): Promise<void> {
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
  const files: { path: string; bytes: Buffer }[] = [];
  for (let i = 0; i < images; i++) {
    const picture = sharp({ create: { width: 300, height: 225, channels: 3, background: '#888888', noise } }).blur(2);
    files.push({ path: `class-${i % 4}/${i}.jpg`, bytes: await picture.jpeg({ quality: 90 }).toBuffer() });
  }
  await writeFile(path, storedZip(files));
}

function network(): tf.LayersModel {
  const conv = (filters: number, more: object = {}) =>
    tf.layers.conv2d({ filters, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu', ...more });
  const model = tf.sequential({
    layers: [
      conv(Number(flags.filters), { inputShape: [SIDE, SIDE, 3] }),
      conv(2 * Number(flags.filters)),
      tf.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }),
      tf.layers.dense({ units: 4, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: tf.train.sgd(1e-3), loss: 'sparseCategoricalCrossentropy' });
  return model;
}

/** Epochs, scored and drawn by importance in every step. */
async function train(samples: Corpus): Promise<void> {
  const model = network();
  const presampleSize = Number(flags.presample);
  await fit(model, samples, { epochs, batchSize, presampleSize, tauThreshold: 1, scheme: 'upper-bound', seed: 1 });
  model.dispose();
}

async function decode(samples: Corpus): Promise<void> {
  let seen = 0;
  for await (const { id } of samples.samples({ seed: 1, epochs })) if (id) seen += 1;
  if (seen !== images * epochs) throw new Error(`${seen} pictures instead of ${images * epochs}`);
}

const folder = await mkdtemp(join(tmpdir(), 'taustream-overlap-'));
try {
  const engine = await useEngine(flags.engine as EngineName);
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ${engine.description}`);
  console.log(
    `${images} pictures, ${epochs} epochs, b ${batchSize}, B ${flags.presample}; load ${loadavg()[0]!.toFixed(1)}`,
  );
  await writePictures(join(folder, 'pictures.zip'));
  const zipped = await corpus({ path: folder, image: { height: SIDE, width: SIDE } });
  const pixels = new RowStore(zipped, { memoryBytes: 2 ** 30 });
  for await (const sample of zipped.samples({ seed: 1, epochs: 1 })) await pixels.add(sample);
  await train(pixels); // what is compiled is compiled
  const all: Record<'decoding' | 'training' | 'both', Cost>[] = [];
  for (let round = 0; round < rounds; round++) {
    const decoding = await costOf(() => decode(zipped));
    const both = await costOf(() => train(zipped));
    const training = await costOf(() => train(pixels));
    all.push({ decoding, training, both });
    const said = [decoding, training, both].map(
      ({ wall, processor }) => `${wall.toFixed(2)} s (${processor.toFixed(2)})`,
    );
    console.log(`round ${round}: decoding ${said[0]}, training ${said[1]}, both ${said[2]}`);
  }
  const ratio = (of: (round: (typeof all)[number]) => number) => median(all.map(of)).toFixed(3);
  const slower = ratio(({ decoding, training, both }) => both.wall / Math.max(decoding.wall, training.wall));
  const sum = ratio(({ decoding, training, both }) => both.wall / (decoding.wall + training.wall));
  const processor = ratio(({ decoding, training, both }) => both.processor / (decoding.processor + training.processor));
  console.log(`training took ${slower} of the slower of the two, ${sum} of one after the other (wall-clock)`);
  console.log(`and ${processor} of the processor time of both; medians of ${rounds} rounds`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
