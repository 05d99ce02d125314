import type { Unfinished } from '../presample/presample.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import { seenOf, type Passed, type Presample } from '../stream/presample.ts';
import type { ResumeState } from './resume.ts';

const none: Passed = { taken: 0, waiting: [] };

/**
 * Which samples of the stream a run is done with, as far as its minibatches have come: where a run that goes on from a
 * snapshot takes up the stream. In the middle of a presample that is its first sample, and the draws that are left.
 */
export class Passage {
  #passed = none;
  /** The same before the presample that is being trained on. */
  #before = none;
  #presample: Presample | undefined;
  #presamples = 0;
  /** Samples that an earlier run was done with. */
  #seenBefore = 0;
  readonly #keepsDraws: boolean;
  #unfinished: (Unfinished & { readonly seenBefore: number }) | undefined;

  /**
   * @param saved where an earlier run stopped
   * @param keepsDraws whether a run that goes on takes up the draws that were left; of several trainers each has its own
   */
  constructor(saved?: Pick<ResumeState, 'unfinished' | 'samplesSeen'>, { keepsDraws = true } = {}) {
    this.#keepsDraws = keepsDraws;
    this.#unfinished = saved?.unfinished;
    this.#seenBefore = saved?.unfinished?.seenBefore ?? saved?.samplesSeen ?? 0;
  }

  /**
   * Takes note of a minibatch that was trained on.
   *
   * @param stepped steps of this run, from which versions are told, because a run that goes on counts its steps anew
   * @returns the presample, when it is the first minibatch of it
   */
  take({ presample, rest }: Minibatch, stepped: number): Presample | undefined {
    const isNew = presample !== this.#presample;
    if (isNew) {
      [this.#before, this.#passed] = [this.#passed, presample.passed];
      this.#presample = presample;
      this.#presamples += 1;
    }
    const draws = rest.map((draw) => ({ ...draw, version: draw.version - stepped }));
    const seenBefore = this.#seenBefore + seenOf(this.#before);
    this.#unfinished = rest.length === 0 || !this.#keepsDraws ? undefined : { rows: presample.rows, draws, seenBefore };
    return isNew ? presample : undefined;
  }

  /** Samples trained on or passed by for good, of this run and those before. */
  get seen(): number {
    return this.#seenBefore + seenOf(this.#passed);
  }

  /** Whether the buffer that comes first was filled by an earlier run, too, which counted what was in it. */
  get isFilledAgain(): boolean {
    return this.#presample === undefined && this.#unfinished !== undefined;
  }

  /** Presamples that this run has begun with. */
  get presamples(): number {
    return this.#presamples;
  }

  /** The presample that the last minibatch was drawn from, if more are to come. */
  get unfinished(): ResumeState['unfinished'] {
    return this.#unfinished;
  }

  /** Which samples are not to come again. */
  get place(): Passed {
    return this.#unfinished ? this.#before : this.#passed;
  }
}
