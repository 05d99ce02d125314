import type { Passed } from '../stream/presample.ts';
import { fillsRows, type Sample, withRows } from '../stream/sample.ts';

/** Decisions about samples in their order: how many were turned away before each admitted one, and after the last. */
export interface AdmissionState {
  readonly refused: readonly number[];
  readonly trailing: number;
}

/**
 * Lets in the samples that a scheme wants, and knows which of the stream's samples those let in are: those turned away
 * count as passed by, so that a resumed run goes on behind them.
 */
export class Admission {
  readonly #admits: (id: string) => boolean;
  readonly #decided: AdmissionState;
  /** Samples of the stream that were decided about. */
  #read = 0;
  /** Number in the stream of each admitted sample that may still be asked about. */
  #places: number[] = [];
  /** Admitted samples before these, and the stream's samples up to the last of them. */
  #settled = 0;
  #passed = 0;
  /** The stream's samples that were taken, as of the last `passed`. */
  #taken = 0;

  /** @param decided what an earlier run had decided about the samples to come */
  constructor(admits: (id: string) => boolean, decided: AdmissionState = { refused: [], trailing: 0 }) {
    this.#admits = admits;
    this.#decided = decided;
  }

  /** What was decided about samples that are not taken, as of the last `passed`. */
  state(): AdmissionState {
    const admitted = this.#places.filter((place) => place >= this.#taken);
    const before = [this.#taken - 1, ...admitted];
    return {
      refused: admitted.map((place, i) => place - before[i]! - 1),
      trailing: Math.max(this.#read, this.#taken) - before.at(-1)! - 1,
    };
  }

  /**
   * The samples that are let in. A stream that writes rows still does, and then decides about no sample before its turn.
   *
   * @param admitted samples at the beginning that were let in before, and only come again
   */
  admitted(samples: AsyncIterable<Sample>, admitted = 0): AsyncGenerator<Sample, void, void> {
    const earlier = decisions(this.#decided);
    const isIn = (id: string) => {
      const place = this.#read++;
      const wanted = place < admitted || (earlier.next().value ?? this.#admits(id));
      if (wanted) this.#places.push(place);
      return wanted;
    };
    const chosen = only(samples, isIn);
    if (!fillsRows(samples)) return chosen;
    return withRows(chosen, samples, (into, rows) => samples.fillRows(into, rows, isIn));
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
    this.#taken = whole.taken;
    return whole;
  }
}

async function* only(samples: AsyncIterable<Sample>, isIn: (id: string) => boolean) {
  for await (const sample of samples) if (isIn(sample.id)) yield sample;
}

function* decisions({ refused, trailing }: AdmissionState): Generator<boolean, undefined, void> {
  for (const before of refused) {
    for (let i = 0; i < before; i++) yield false;
    yield true;
  }
  for (let i = 0; i < trailing; i++) yield false;
}
