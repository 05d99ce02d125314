import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { definePipeline } from '../../src/pipeline.ts';
import { textCorpus } from '../../src/corpus/text-corpus.ts';
import { charLstm } from '../../src/model/char-lstm.ts';

export interface ToyChoices {
  readonly letters?: string;
  readonly units?: number;
  readonly tauThreshold?: number;
  readonly draws?: number;
}

/** Windows of eight letters: 124 samples in an epoch, of which some are harder than others. */
export function toyPipeline({ letters = 'abcdefghijklmnopqrstuvwxyz ', units = 6, ...rest }: ToyChoices = {}) {
  return definePipeline({
    name: 'toy',
    engine: 'cpu',
    async corpus() {
      const text = await textCorpus({ text: textOf(letters), window: 8 });
      return { train: text, vocabulary: text.vocabulary, files: { 'vocabulary.json': text.vocabulary } };
    },
    model: ({ corpus, seed }) => charLstm({ vocabularySize: corpus.vocabulary.size, units, seed }),
    loss: 'sparseCategoricalCrossentropy',
    optimizer: { name: 'adam', learningRate: 0.02 },
    batchSize: 4,
    presampleSize: 12,
    tauThreshold: 0,
    seed: 3,
    steps: 20,
    ...rest,
  });
}

const textOf = (letters: string): string => letters.repeat(20) + [...letters].toReversed().join('').repeat(17);

export const folderFor = (name: string): Promise<string> => mkdtemp(join(tmpdir(), `taustream-${name}-`));
export const tensors = (): number => tf.memory().numTensors;
