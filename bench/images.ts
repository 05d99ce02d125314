/**
 * Where images are best decoded and augmented: in libuv's threads with JavaScript in the main thread, or with a thread or
 * two for the augmentation. For each: processor time and wall-clock time an image, and how busy the main thread was.
 *
 *     UV_THREADPOOL_SIZE=2 node --import tsx bench/images.ts [--seed 7] [--images 300] [--rounds 3]
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { corpus, type CorpusOptions } from '../src/corpus/open-corpus.ts';
import { storedZip } from '../src/corpus/stored-zip.ts';
import { median } from './median.ts';

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: '7' },
    images: { type: 'string', default: '300' },
    rounds: { type: 'string', default: '3' },
  },
});
const [seed, count, rounds] = [Number(flags.seed), Number(flags.images), Number(flags.rounds)];

const augmentations: Readonly<Record<string, CorpusOptions['augment']>> = {
  'decoding alone': undefined,
  'flip, jitter': { flip: 0.5, jitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4 } },
  'resizedCrop, randAugment': { resizedCrop: {}, randAugment: {} },
};

interface Measured {
  readonly wall: number;
  readonly processor: number;
  readonly busy: number;
}

async function writePictures(path: string): Promise<void> {
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
  const files: { path: string; bytes: Buffer }[] = [];
  for (let i = 0; i < count; i++) {
    const picture = sharp({ create: { width: 500, height: 375, channels: 3, background: '#888888', noise } }).blur(2);
    files.push({ path: `class-${i % 10}/${i}.jpg`, bytes: await picture.jpeg({ quality: 90 }).toBuffer() });
  }
  await writeFile(path, storedZip(files));
}

async function measure(path: string, augment: CorpusOptions['augment'], augmentWorkers: number): Promise<Measured> {
  const opened = await corpus({ path, augmentWorkers, ...(augment && { augment }) });
  let warm = 20; // threads start
  let begun = { time: 0, usage: process.cpuUsage(), loop: performance.eventLoopUtilization() };
  for await (const { id } of opened.samples({ seed, epochs: 1 })) {
    if (id && --warm === 0)
      begun = { time: performance.now(), usage: process.cpuUsage(), loop: performance.eventLoopUtilization() };
  }
  const { user, system } = process.cpuUsage(begun.usage);
  return {
    wall: (performance.now() - begun.time) / (count - 20),
    processor: (user + system) / 1000 / (count - 20),
    busy: performance.eventLoopUtilization(begun.loop).utilization,
  };
}

const folder = await mkdtemp(join(tmpdir(), 'taustream-bench-'));
try {
  console.log(
    `${cpus()[0]!.model}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}; Node ${process.version}, sharp ${sharp.versions.sharp}, UV_THREADPOOL_SIZE ${process.env['UV_THREADPOOL_SIZE'] ?? 4}; seed ${seed}; ${count} JPEGs of 500 × 375 to 224 × 224`,
  );
  const path = join(folder, 'images.zip');
  await writePictures(path);
  const rows = Object.entries(augmentations).flatMap(([name, augment]) =>
    (augment ? [0, 1, 2] : [0]).map((workers) => ({ name, augment, workers, results: [] as Measured[] })),
  );
  for (let round = 0; round < rounds; round++)
    for (const row of rows) row.results.push(await measure(path, row.augment, row.workers));
  for (const { name, workers, results } of rows) {
    const of = (key: keyof Measured) => median(results.map((own) => own[key]));
    console.log(
      `${name.padEnd(26)} ${workers} threads   ${of('processor').toFixed(2)} ms of processor time, ${of('wall').toFixed(2)} ms an image, main thread busy ${(of('busy') * 100).toFixed(0)} %`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
