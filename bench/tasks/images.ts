/** MNIST and Fashion-MNIST, in memory. */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { fashionMnist } from '../../corpora/fashion-mnist/recipe.ts';
import { mnist } from '../../corpora/mnist/recipe.ts';
import { fetchCorpus } from '../../src/corpus/recipe.ts';
import { createRng, shuffle } from '../../src/stream/random.ts';
import type { Corpus } from '../../src/stream/sample.ts';
import { flipped, inMemory, type Labelled } from './in-memory.ts';

const recipes = { mnist, fashion: fashionMnist };

export interface ImageOptions {
  readonly of: keyof typeof recipes;
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

interface Row extends Labelled {
  readonly x: Float32Array;
}

/** The training and test images. */
export async function imageCorpora(options: ImageOptions): Promise<{ train: Corpus; validation: Corpus }> {
  const { files } = await fetchCorpus(recipes[options.of]);
  const bytesOf = async (name: string) => {
    const path = files.find((file) => file.includes(name))!;
    const bytes = await readFile(path);
    return path.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  };
  const read = async (part: string, limit: number) => {
    const images = (await bytesOf(`${part}-images-idx3-ubyte`)).subarray(16);
    const labels = (await bytesOf(`${part}-labels-idx1-ubyte`)).subarray(8);
    return Array.from({ length: Math.min(limit, labels.length) }, (_, i): Row => {
      const pixels = Float32Array.from(images.subarray(784 * i, 784 * (i + 1)), (value) => value / 255);
      return { id: `${part}:${i}`, x: options.asPixels ? permuted(pixels) : pixels, y: labels[i]! };
    });
  };
  const schema = {
    x: { type: 'float32', shape: options.asPixels ? [49, 1] : [28, 28, 1] },
    y: { type: 'int32', shape: [] },
  } as const;
  const train = thinned(await read('train', options.trainSize), options.imbalance ?? 1);
  return {
    train: inMemory(options.of, schema, flipped(train, options.flipped ?? 0, 10)),
    validation: inMemory(`${options.of}-test`, schema, await read('t10k', options.testSize)),
  };
}

/** Keeps of class c a share of imbalance^(−c / 9). */
function thinned(rows: readonly Row[], imbalance: number): Row[] {
  const rng = createRng(1, 'thinned');
  return rows.filter(({ y }) => rng.uniform() < imbalance ** (-y / 9));
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
