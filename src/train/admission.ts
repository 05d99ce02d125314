import type { Sample } from '../stream/sample.ts';

/** Decisions about samples in their order: how many were turned away before each admitted one, and after the last. */
export interface AdmissionState {
  readonly refused: readonly number[];
  readonly trailing: number;
}

/**
 * Lets in the samples that a scheme wants, and knows how many of the stream's samples the first n of these stand for:
 * those turned away count as passed by, so that a resumed run goes on behind them.
 */
export class Admission {
  readonly #admits: (id: string) => boolean;
  /** For each admitted sample not yet asked about: how many were turned away before it, since the one before. */
  #refused: number[] = [];
  /** Admitted samples before `#refused`, and all those turned away before or among them. */
  #settled = 0;
  #settledRefused = 0;

  /** Of the samples read last, those turned away since the last admitted one. */
  #trailing = 0;
  readonly #decided: AdmissionState;

  /** @param decided what an earlier run had decided about the samples to come */
  constructor(admits: (id: string) => boolean, decided: AdmissionState = { refused: [], trailing: 0 }) {
    this.#admits = admits;
    this.#decided = decided;
  }

  /** What was decided about samples that are not done with, as of the last `passed`. */
  state(): AdmissionState {
    return { refused: [...this.#refused], trailing: this.#trailing };
  }

  async *admitted(samples: AsyncIterable<Sample>): AsyncGenerator<Sample, void, void> {
    const earlier = decisions(this.#decided);
    for await (const sample of samples) {
      if (!(earlier.next().value ?? this.#admits(sample.id))) {
        this.#trailing += 1;
        continue;
      }
      this.#refused.push(this.#trailing);
      this.#trailing = 0;
      yield sample;
    }
  }

  /** How many samples of the stream have passed when `taken` of the admitted are done with. Never goes back. */
  passed(taken: number): number {
    const done = this.#refused.splice(0, Math.max(0, taken - this.#settled));
    this.#settled += done.length;
    this.#settledRefused += done.reduce((sum, count) => sum + count, 0);
    return taken + this.#settledRefused;
  }
}

function* decisions({ refused, trailing }: AdmissionState): Generator<boolean, undefined, void> {
  for (const before of refused) {
    for (let i = 0; i < before; i++) yield false;
    yield true;
  }
  for (let i = 0; i < trailing; i++) yield false;
}
