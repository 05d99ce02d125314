import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  augmentPixels,
  corpus,
  definePipeline,
  mapped,
  TaustreamError,
  wideResnet,
  type Augmentation,
  type Corpus,
} from 'taustream';

/** Where the binary files lie: `data_batch_1.bin` to `test_batch.bin` of CIFAR-10, or CIFAR-100's `train.bin` and `test.bin`. */
const standard = fileURLToPath(new URL('../corpora/cifar/data', import.meta.url));
const augmentation: Augmentation = { crop: { padding: 4 }, flip: 0.5, fill: 0 };

export interface CifarOptions {
  /** Augmented copies of each image: 30 make the paper's 1.5 million. */
  readonly copies?: number;
  /** Layers and width of the network. */
  readonly depth?: number;
  readonly width?: number;
}

/**
 * The image experiment of the paper as it stands: WRN-28-2 on CIFAR-10 or CIFAR-100, 50,000 updates of stochastic
 * gradient descent, 1.5 million images that were augmented beforehand. Days on two cores; hours on a GPU.
 */
export const cifar = ({ copies = 30, depth = 28, width = 2 }: CifarOptions = {}) =>
  definePipeline({
    name: 'cifar',
    async corpus({ seed, corpusPath = standard }) {
      const { train, test } = await binaryFiles(corpusPath);
      const images = await opened(train);
      const augmented = mapped(
        images,
        ({ x }, { rng }) => ({ x: augmentPixels(x as Uint8Array, [32, 32, 3], augmentation, rng) }),
        { copies, seed },
      );
      return { train: augmented, validation: await opened(test) };
    },
    model: ({ corpus: { train }, seed }) =>
      wideResnet({
        depth,
        width,
        classes: train.classes?.['y'] ?? 10,
        normalise: { mean: 121, deviation: 64 }, // of all three channels of CIFAR-10's training images
        weightDecay: 5e-4,
        seed,
      }),

    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
    optimizer: 'momentum', // 0.9
    learningRate: { kind: 'steps', rate: 0.1, at: [0.4, 0.8], factor: 0.2 }, // after 20,000 and 40,000 updates

    scheme: 'upper-bound',
    presampleSize: 640,
    batchSize: 128,
    tauThreshold: 1.5,
    steps: 50_000,
    validateEvery: 2500,
  });

/** The files of a training and of a test set, by the names that CIFAR's archives give them. */
async function binaryFiles(folder: string): Promise<{ train: string[]; test: string[] }> {
  const names = await readdir(folder).catch(() => []); // the same to the user: the files are not there
  const pathsOf = (pattern: RegExp) => names.filter((name) => pattern.test(name)).map((name) => join(folder, name));
  const train = pathsOf(/^(data_batch_\d+|train)\.bin$/);
  const test = pathsOf(/^test(_batch)?\.bin$/);
  if (train.length > 0 && test.length > 0) return { train, test };
  throw new TaustreamError(
    'ERR_CORPUS',
    `pipelines/cifar.ts: expected CIFAR's binary files (\`data_batch_1.bin\` … and \`test_batch.bin\`, or \`train.bin\` and \`test.bin\`) in \`${folder}\`, got ${names.length} files and not those. ` +
      'No package registry carries them: unpack the archive "binary version (suitable for C programs)" of CIFAR-10 or CIFAR-100 there, or say with `--corpus FOLDER` where they are.',
    { folder },
  );
}

/** Opens files of which each must be whole: together they would be told apart, and a broken one passed over. */
async function opened(files: readonly string[]): Promise<Corpus> {
  for (const file of files) await corpus({ path: file, format: 'cifar' });
  return corpus({ path: [...files], format: 'cifar', name: 'cifar' });
}

export default cifar();
