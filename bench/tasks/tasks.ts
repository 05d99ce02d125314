/** The tasks of the benches, as pipelines. */
import mobyDick from '../../pipelines/moby-dick.ts';
import { pixelLstm } from '../../src/model/pixel-lstm.ts';
import { smallCnn } from '../../src/model/small-cnn.ts';
import { definePipeline, type Pipeline } from '../../src/pipeline.ts';
import { mnistCorpora, type MnistOptions } from './mnist.ts';

const common = {
  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  batchSize: 64,
  presampleSize: 320,
  tauThreshold: 1.5,
  seconds: 60,
};

const cnn = (name: string, options: MnistOptions) =>
  definePipeline({
    ...common,
    name,
    corpus: () => mnistCorpora(options),
    model: ({ seed }) => smallCnn({ seed }),
    optimizer: 'momentum',
    learningRate: { kind: 'cosine', rate: 0.05, warmUp: 0.05 },
    weightDecay: 5e-4,
  }) as unknown as Pipeline; // of any corpus

const sizes = { trainSize: 10_000, testSize: 5000 };

/** By name. */
export const tasks: Readonly<Record<string, Pipeline>> = {
  'mnist-cnn': cnn('mnist-cnn', sizes),
  'mnist-flipped': cnn('mnist-flipped', { ...sizes, flipped: 0.2 }),
  'mnist-long-tail': cnn('mnist-long-tail', { trainSize: 60_000, testSize: 5000, imbalance: 100 }),
  'pixel-lstm': definePipeline({
    ...common,
    name: 'pixel-lstm',
    corpus: () => mnistCorpora(sizes),
    model: ({ seed }) => pixelLstm({ shrink: 4, units: 48, order: 1, seed }),
    optimizer: 'adam',
    learningRate: { kind: 'cosine', rate: 5e-3, warmUp: 0.05 },
    clipNorm: 1,
  }), // of any corpus
  'moby-dick': mobyDick, // of any corpus
};
