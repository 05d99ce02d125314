import { allocate, type ColumnData, type Schema } from '../stream/columns.ts';

/** Storage for one fill: every column's rows. */
export type Storage = Readonly<Record<string, ColumnData>>;

/**
 * A small store of buffers that are used again and again, so that filling presamples allocates nothing once training
 * runs level. A borrower that never gives back costs an allocation, never a hang or an overwrite.
 *
 * Memory: at most `keep` buffers lie idle, each of `rows × Σ rowBytes(column)` bytes.
 */
export class Ring {
  readonly #schema: Schema;
  readonly #rows: number;
  readonly #keep: number;
  readonly #idle: Storage[] = [];

  constructor(schema: Schema, rows: number, keep: number) {
    this.#schema = schema;
    this.#rows = rows;
    this.#keep = keep;
  }

  borrow(): Storage {
    return (
      this.#idle.pop() ??
      Object.fromEntries(Object.entries(this.#schema).map(([name, spec]) => [name, allocate(spec, this.#rows)]))
    );
  }

  giveBack(storage: Storage): void {
    if (this.#idle.length < this.#keep) this.#idle.push(storage);
  }
}
