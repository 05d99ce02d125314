import { textCorpus } from '../../src/corpus/text-corpus.ts';
import type { Vocabulary } from '../../src/corpus/vocabulary.ts';
import { charLstm } from '../../src/model/char-lstm.ts';
import { definePipeline } from '../../src/pipeline.ts';
import type { Corpus } from '../../src/stream/sample.ts';

interface ToyCorpus {
  readonly train: Corpus;
  readonly vocabulary: Vocabulary;
  readonly files: Readonly<Record<string, unknown>>;
}

export interface ToyChoices {
  readonly open?: () => Promise<ToyCorpus>;
  readonly letters?: string;
  readonly units?: number;
  readonly tauThreshold?: number;
  readonly draws?: number;
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz ';

/** Windows of eight letters, 124 samples in an epoch: forwards they are easier than backwards. */
export async function openToy(letters = alphabet): Promise<ToyCorpus> {
  const text = await textCorpus({ text: textOf(letters), window: 8 });
  return { train: text, vocabulary: text.vocabulary, files: { 'vocabulary.json': text.vocabulary } };
}

export const toyPipeline = ({ letters, open, units = 6, ...rest }: ToyChoices = {}) =>
  definePipeline({
    name: 'toy',
    engine: 'cpu',
    corpus: open ?? (() => openToy(letters)),
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

const textOf = (letters: string): string => letters.repeat(20) + letters.split('').toReversed().join('').repeat(17);
