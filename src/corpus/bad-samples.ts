import { channel } from 'node:diagnostics_channel';
import { z } from 'zod';
import { CorpusError, isTaustreamError, type ErrorCode, type ErrorFacts } from '../errors.ts';

export const badSampleFields = {
  /**
   * What to do about a sample that cannot be made (corrupt bytes, a label outside the classes, an image that is none):
   * stop with an error that names it, or leave it out, count it and keep its id.
   * @default 'error'
   */
  onBadSample: z.enum(['error', 'skip']).default('error'),
  /** Different samples that may be left out, over all streams, before a stream stops with an error after all. @default 1000 – guess */
  maxBadSamples: z.int().min(0).default(1000),
};

/** Ids with their reasons that are kept; all are counted. */
const KEPT = 1000;

/** The channel that is told of each sample that is left out, once: a `BadSample`. */
export const BAD_SAMPLE_CHANNEL = 'taustream:bad-sample';
const badSampleChannel = channel(BAD_SAMPLE_CHANNEL);

/** Errors that one sample is the cause of. Anything else (a file that has gone, an abort) ends the stream. */
const codes: ReadonlySet<ErrorCode> = new Set(['ERR_SHARD', 'ERR_LABEL', 'ERR_SHAPE', 'ERR_CORPUS']);

/** A sample that was left out: what `diagnostics_channel`'s channel `taustream:bad-sample` is told, too. */
export interface BadSample {
  /** Its id, or where it lies if it has none. */
  readonly id: string;
  readonly reason: string;
}

/**
 * Samples that a corpus left out under `onBadSample: 'skip'`, over all its streams. One that is read in every epoch is one
 * bad sample.
 *
 * Memory: an id a bad sample, so `maxBadSamples` of them.
 */
export class BadSamples {
  readonly #where: string;
  readonly #limit: number;
  readonly #kept: BadSample[] = [];
  readonly #seen = new Set<string>();

  /** @param limit samples that may be left out */
  constructor(where: string, limit: number) {
    this.#where = where;
    this.#limit = limit;
  }

  get count(): number {
    return this.#seen.size;
  }

  /** The first thousand. */
  get samples(): readonly BadSample[] {
    return this.#kept;
  }

  /**
   * Counts a sample that could not be made, if it is the first time.
   * @param number which of the corpus' samples it is: what is wrong with many of them may carry one place
   * @throws {CorpusError} when there are more of them than the limit; the error itself when it is not a sample's
   */
  leaveOut(error: unknown, number: string): void {
    if (!isTaustreamError(error) || !codes.has(error.code)) throw error;
    const bad = { id: idIn(error.facts), reason: error.message };
    const key = `${bad.id}\n${number}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.#kept.length < KEPT) this.#kept.push(bad);
    badSampleChannel.publish(bad satisfies BadSample);
    if (this.#seen.size > this.#limit)
      throw new CorpusError(
        `${this.#where}: expected at most ${this.#limit} bad samples (\`maxBadSamples\`), got one more: ${error.message}`,
        { limit: this.#limit, samples: this.#kept },
        { cause: error },
      );
  }
}

/** What an error is about: the sample's id, or where it lies. */
export const idIn = ({ id, shard, offset }: ErrorFacts): string => {
  if (typeof id === 'string') return id;
  return typeof shard === 'string' && typeof offset === 'number' ? `${shard} at byte ${offset}` : 'unknown';
};
