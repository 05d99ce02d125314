import { deriveSeed } from './random.ts';
import type { Corpus } from './sample.ts';

/** Whether a sample is among the share that is held out: by its id alone, so the same in every epoch and process. */
export const isHeldOut = (seed: number, id: string, share: number): boolean =>
  deriveSeed(seed, 'held-out', id) / 2 ** 32 < share;

/** The samples of a corpus that are meant, by their ids. */
export const only = (corpus: Corpus, isMeant: (id: string) => boolean): Corpus => ({
  ...corpus,
  length: undefined,
  async *samples(options) {
    for await (const sample of corpus.samples(options)) if (isMeant(sample.id)) yield sample;
  },
});
