import type { Passed } from '../stream/presample.ts';
import type { Sample } from '../stream/sample.ts';

/**
 * Lets in the samples that a scheme wants, and knows which of the stream's samples those let in are: those turned away
 * count as passed by, so that a resumed run goes on behind them.
 */
export class Admission {
  readonly #admits: (id: string) => boolean;
  /** Number in the stream of each admitted sample that may still be asked about. */
  #places: number[] = [];
  /** Admitted samples before these, and the stream's samples up to the last of them. */
  #settled = 0;
  #passed = 0;

  constructor(admits: (id: string) => boolean) {
    this.#admits = admits;
  }

  /** @param admitted samples at the beginning that were let in before, and only come again */
  async *admitted(samples: AsyncIterable<Sample>, admitted = 0): AsyncGenerator<Sample, void, void> {
    let place = 0;
    for await (const sample of samples) {
      if (place < admitted || this.#admits(sample.id)) {
        this.#places.push(place);
        yield sample;
      }
      place += 1;
    }
  }

  /** Which of the stream's samples are passed, by which of those let in are. Never goes back. */
  passed({ taken, waiting }: Passed): Passed {
    const placeOf = (number: number) => this.#places[number - this.#settled]!;
    const whole = {
      taken: taken > this.#settled ? placeOf(taken - 1) + 1 : this.#passed,
      waiting: waiting.map(placeOf),
    };
    const done = this.#places.splice(0, Math.max(0, (waiting[0] ?? taken) - this.#settled));
    this.#settled += done.length;
    this.#passed = (done.at(-1) ?? this.#passed - 1) + 1;
    return whole;
  }
}
