import type { StepRecord } from '../../train/step-record.ts';

/** Ages up to this have a row each; above it, one for each doubling. */
const singleAges = 8;

/** What drawing by scores of some age was worth. */
export interface AgeRow {
  /** Steps that the parameters behind the scores were old, from and to. */
  readonly from: number;
  readonly to: number;
  readonly steps: number;
  /** Mean τ that the scores promised, and that the draws had by the parameters they were used with, if measured. */
  readonly drawTau: number;
  readonly freshTau?: number;
}

interface Sums {
  readonly from: number;
  readonly to: number;
  steps: number;
  drawTau: number;
  freshTau: number;
  measured: number;
}

/** Averages τ over the steps drawn by importance, by the age of their scores. */
export class TauByAge {
  readonly #sums = new Map<number, Sums>();

  add({ age, drawTau, freshTau }: Pick<StepRecord, 'age' | 'drawTau' | 'freshTau'>): void {
    if (age === undefined || drawTau === undefined) return;
    const from = age <= singleAges ? age : 2 ** Math.floor(Math.log2(age));
    const fresh = { from, to: age <= singleAges ? age : 2 * from - 1, steps: 0, drawTau: 0, freshTau: 0, measured: 0 };
    const sums = this.#sums.get(fresh.to) ?? fresh;
    this.#sums.set(fresh.to, sums);
    sums.steps += 1;
    sums.drawTau += drawTau;
    sums.freshTau += freshTau ?? 0;
    sums.measured += Number(freshTau !== undefined);
  }

  /** By age, the freshest first. */
  rows(): AgeRow[] {
    return [...this.#sums.values()]
      .toSorted((a, b) => a.to - b.to)
      .map(({ from, to, steps, drawTau, freshTau, measured }) => ({
        from: from <= singleAges && to > singleAges ? singleAges + 1 : from,
        to,
        steps,
        drawTau: drawTau / steps,
        ...(measured > 0 && { freshTau: freshTau / measured }),
      }));
  }
}
