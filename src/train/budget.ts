import { clocks, type Clock } from '../stream/clock.ts';
import type { Progress } from './schedule.ts';
import type { StopReason } from './step-record.ts';

/** When a run ends: at whichever limit is reached first. */
export interface Limits {
  readonly steps?: number | undefined;
  readonly seconds?: number | undefined;
  readonly epochs?: number | undefined;
}

/** Keeps account of what a run has used of its limits. */
export class Budget {
  steps = 0;
  samplesSeen = 0;
  readonly #limits: Limits;
  readonly #epochLength: () => number | undefined;
  readonly #clock: Clock;
  #begun: number;

  constructor(limits: Limits, epochLength: () => number | undefined, clock: Clock = clocks.wall) {
    this.#limits = limits;
    this.#epochLength = epochLength;
    this.#clock = clock;
    this.#begun = clock();
  }

  /** Starts the clock: what was done before, such as a first validation, does not count. */
  begin(): void {
    this.#begun = this.#clock();
  }

  /** Does something whose time is not the training's, such as a validation. */
  async uncounted<Result>(work: () => Promise<Result>): Promise<Result> {
    const from = this.#clock();
    try {
      return await work();
    } finally {
      this.#begun += this.#clock() - from;
    }
  }

  /** Goes on with what an earlier run had used up. */
  restore({ step, samplesSeen, seconds }: { step: number; samplesSeen: number; seconds: number }): void {
    this.steps = step;
    this.samplesSeen = samplesSeen;
    this.#begun = this.#clock() - 1000 * seconds;
  }

  /** Seconds of training so far. */
  get seconds(): number {
    return (this.#clock() - this.#begun) / 1000;
  }

  /** Passes over the corpus, counted by the samples fetched; 0 while its length is not known. */
  get epochs(): number {
    const length = this.#epochLength();
    return length === undefined ? 0 : this.samplesSeen / length;
  }

  progress(): Progress {
    const { steps = Infinity, seconds = Infinity, epochs = Infinity } = this.#limits;
    const now = this.seconds;
    const share = Math.min(1, Math.max(this.steps / steps, now / seconds, this.epochs / epochs));
    return { step: this.steps, seconds: now, share };
  }

  /** The limit that is reached, if any. The corpus itself ends with its last epoch. */
  reached(): StopReason | undefined {
    if (this.steps >= (this.#limits.steps ?? Infinity)) return 'steps';
    if (this.seconds >= (this.#limits.seconds ?? Infinity)) return 'seconds';
    return undefined;
  }
}
