import { execFile } from 'node:child_process';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { mobyDick } from '../../corpora/moby-dick/recipe.ts';
import { corpus } from '../../src/corpus/open-corpus.ts';
import { fetchCorpus } from '../../src/corpus/recipe.ts';
import { storedZip } from '../../src/corpus/stored-zip.ts';
import { writeRecords } from '../../src/corpus/write-records.ts';
import type { Case } from './readers.ts';
import { createRng } from '../../src/stream/random.ts';

/** How much there is to read. */
export interface Sizes {
  readonly textBytes: number;
  readonly digits: number;
  readonly images: number;
}

export const python = new URL('../peers/.venv/bin/python', import.meta.url).pathname;
export const peerScript = new URL('../peers/corpora_peer.py', import.meta.url).pathname;

/** Writes the same samples in every system's format, below `folder`. */
export async function writeFiles(folder: string, cases: readonly Case[], sizes: Sizes, seed: number): Promise<void> {
  const has = (name: Case) => cases.includes(name);
  if (has('text')) await repeatText(join(folder, 'text.txt'), sizes.textBytes);
  if (has('records') || has('idx')) await writeDigits(folder, sizes.digits, seed);
  if (has('images')) await writeImages(folder, sizes.images);
  const steps = [
    ...(has('records') ? ['prepare-tfrecord', 'prepare-records'] : []),
    ...(has('images') ? ['prepare-images'] : []),
  ];
  for (const step of steps) await promisify(execFile)(python, [peerScript, step, folder], { maxBuffer: 2 ** 26 });
}

/** Writes `bytes` bytes of a novel, over and over. */
export async function repeatText(path: string, bytes: number): Promise<void> {
  const novel = await readFile((await fetchCorpus(mobyDick)).files[0]!);
  const handle = await open(path, 'wx');
  try {
    for (let written = 0; written < bytes; written += novel.length)
      await handle.appendFile(novel.subarray(0, Math.min(novel.length, bytes - written)));
  } finally {
    await handle.close();
  }
}

/** IDX files like MNIST's, and record shards of the same. */
async function writeDigits(folder: string, count: number, seed: number): Promise<void> {
  const rng = createRng(seed, 'digits');
  const images = Buffer.alloc(16 + count * 784);
  images.set([0, 0, 8, 3]);
  for (const [i, axis] of [count, 28, 28].entries()) images.writeUInt32BE(axis, 4 + 4 * i);
  const noise = Uint8Array.from({ length: 2 ** 16 }, () => rng.integer(256));
  for (let i = 0; i < count; i++) {
    const from = rng.integer(noise.length - 784);
    images.set(noise.subarray(from, from + 784), 16 + i * 784);
  }
  const labels = Buffer.alloc(8 + count);
  labels.set([0, 0, 8, 1]);
  labels.writeUInt32BE(count, 4);
  for (let i = 0; i < count; i++) labels[8 + i] = i % 10;
  await mkdir(join(folder, 'idx'));
  await writeFile(join(folder, 'idx', 'train-images-idx3-ubyte'), images);
  await writeFile(join(folder, 'idx', 'train-labels-idx1-ubyte'), labels);
  const { schema, ...digits } = await corpus(join(folder, 'idx')).then((opened) => ({
    schema: opened.schema,
    samples: opened.samples({ seed, epochs: 1, shuffle: false }),
  }));
  await writeRecords(join(folder, 'records'), digits.samples, { schema, classes: { y: 10 } });
}

/** Pictures of 500 × 375, three of four in JPEG, one in PNG, as a zip of folders. */
async function writeImages(folder: string, count: number): Promise<void> {
  const files: { path: string; bytes: Buffer }[] = [];
  for (let i = 0; i < count; i++) {
    const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
    const picture = sharp({ create: { width: 500, height: 375, channels: 3, background: '#888888', noise } }).blur(2);
    const isPng = i % 4 === 3;
    const bytes = await (isPng ? picture.png() : picture.jpeg({ quality: 90 })).toBuffer();
    files.push({ path: `class-${i % 10}/${i}.${isPng ? 'png' : 'jpg'}`, bytes });
  }
  await writeFile(join(folder, 'images.zip'), storedZip(files));
}
