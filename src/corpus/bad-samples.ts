import { z } from 'zod';
import { CorpusError, isTaustreamError, type ErrorCode, type ErrorFacts } from '../errors.ts';

export const badSampleFields = {
  /**
   * What to do about a sample that cannot be made (corrupt bytes, a label outside the classes, an image that is none):
   * stop with an error that names it, or leave it out, count it and keep its id.
   * @default 'error'
   */
  onBadSample: z.enum(['error', 'skip']).default('error'),
  /** Samples that may be left out, over all streams and epochs, before a stream stops with an error after all. @default 1000 – guess */
  maxBadSamples: z.int().min(0).default(1000),
};

/** Ids and reasons that are kept; all are counted. */
const KEPT = 1000;

/** Errors that one sample is the cause of. Anything else (a file that has gone, an abort) ends the stream. */
const codes: ReadonlySet<ErrorCode> = new Set(['ERR_SHARD', 'ERR_LABEL', 'ERR_SHAPE', 'ERR_CORPUS']);

/** A sample that was left out. */
export interface BadSample {
  /** Its id, or where it lies if it has none. */
  readonly id: string;
  readonly reason: string;
}

/** Samples that a corpus left out under `onBadSample: 'skip'`, over all its streams. */
export class BadSamples {
  readonly #where: string;
  readonly #limit: number;
  readonly #kept: BadSample[] = [];
  #count = 0;

  /** @param limit samples that may be left out */
  constructor(where: string, limit: number) {
    this.#where = where;
    this.#limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  /** The first thousand. */
  get samples(): readonly BadSample[] {
    return this.#kept;
  }

  /**
   * Counts a sample that could not be made.
   * @throws {CorpusError} when there are more of them than the limit; the error itself when it is not a sample's
   */
  leaveOut(error: unknown): void {
    if (!isTaustreamError(error) || !codes.has(error.code)) throw error;
    this.#count += 1;
    if (this.#kept.length < KEPT) this.#kept.push({ id: idIn(error.facts), reason: error.message });
    if (this.#count > this.#limit)
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
