import { allocate, rowSize, type ColumnData, type Schema } from '../stream/columns.ts';
import { atSteps } from '../stream/steps.ts';

/** Storage for one fill: every column's rows. */
export type Storage = Readonly<Record<string, ColumnData>>;

/**
 * A small store of buffers that are used again and again, so that filling presamples allocates nothing once training
 * runs level. A borrower that never gives back costs an allocation, never a hang or an overwrite.
 *
 * Memory: at most `keep` buffers lie idle, each as large as the largest that was borrowed.
 */
export class Ring {
  readonly #schema: Schema;
  readonly #keep: number;
  readonly #idle: Storage[] = [];

  constructor(schema: Schema, keep: number) {
    this.#schema = schema;
    this.#keep = keep;
  }

  /**
   * Storage for so many rows or more; what lies in it is left from before.
   *
   * @param steps of columns with a time axis
   */
  borrow(rows: number, steps = 0): Storage {
    const idle = this.#idle.pop() ?? {};
    return Object.fromEntries(
      Object.entries(this.#schema).map(([name, spec]) => {
        const fixed = atSteps(spec, steps);
        const data = idle[name];
        return [name, data && data.length >= rows * rowSize(fixed) ? data : allocate(fixed, rows)];
      }),
    );
  }

  giveBack(storage: Storage): void {
    if (this.#idle.length < this.#keep) this.#idle.push(storage);
  }
}
