import type { Sample } from '../stream/sample.ts';

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

  constructor(admits: (id: string) => boolean) {
    this.#admits = admits;
  }

  async *admitted(samples: AsyncIterable<Sample>): AsyncGenerator<Sample, void, void> {
    let refused = 0;
    for await (const sample of samples) {
      if (!this.#admits(sample.id)) {
        refused += 1;
        continue;
      }
      this.#refused.push(refused);
      refused = 0;
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
