import { rowSize, type Column } from '../stream/columns.ts';
import type { Minibatch } from '../stream/minibatch.ts';

/** A sample that was drawn often, and what it holds. */
export interface DrawnSample {
  readonly id: string;
  readonly drawn: number;
  readonly columns: Readonly<Record<string, { readonly shape: readonly number[]; readonly values: readonly number[] }>>;
}

/** Samples that are shown. */
const shown = 24;
/** Ids that are counted; when there are twice as many, those drawn least are forgotten, so memory is bounded. */
const counted = 50_000;
/** Steps between two looks at who leads: the next look comes later, by a tenth of the steps so far. */
const every = 25;
/** Numbers of a sample that are kept. */
const numbers = 200_000;

/** Counts how often each sample was drawn by importance, and keeps those drawn most as they are. */
export class DrawCounts {
  readonly #counts = new Map<string, number>();
  readonly #kept = new Map<string, DrawnSample['columns']>();
  #wanted = new Set<string>();
  #steps = 0;
  #nextLook = every;

  add(batch: Minibatch): void {
    if (batch.phase === 'uniform') return;
    for (const [row, id] of batch.ids.entries()) {
      this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
      if (this.#wanted.has(id) && !this.#kept.has(id)) this.#kept.set(id, rowOf(batch, row));
    }
    this.#steps += 1;
    if (this.#counts.size > 2 * counted) this.#forget();
    if (this.#steps >= this.#nextLook) this.#look();
  }

  /** The samples drawn most, of those whose content is known. */
  top(): DrawnSample[] {
    return this.#leaders()
      .filter(([id]) => this.#kept.has(id))
      .map(([id, drawn]) => ({ id, drawn, columns: this.#kept.get(id)! }));
  }

  #leaders(): [string, number][] {
    const leaders: [string, number][] = [];
    for (const entry of this.#counts) {
      if (leaders.length === shown && entry[1] <= leaders.at(-1)![1]) continue;
      const at = leaders.findIndex(([, drawn]) => drawn < entry[1]);
      leaders.splice(at < 0 ? leaders.length : at, 0, entry);
      if (leaders.length > shown) leaders.pop();
    }
    return leaders;
  }

  #look(): void {
    this.#nextLook = this.#steps + Math.max(every, Math.floor(this.#steps / 10));
    this.#wanted = new Set(this.#leaders().map(([id]) => id));
    for (const id of this.#kept.keys()) if (!this.#wanted.has(id)) this.#kept.delete(id);
  }

  #forget(): void {
    for (let least = 1; this.#counts.size > counted; least++)
      for (const [id, drawn] of this.#counts) if (drawn <= least) this.#counts.delete(id);
  }
}

const rowOf = (batch: Minibatch, row: number): DrawnSample['columns'] =>
  Object.fromEntries(
    Object.entries(batch.presample.columns).flatMap(([name, column]) => {
      const shape = column.shape.slice(1);
      return rowSize({ type: column.type, shape }) > numbers
        ? []
        : [[name, { shape, values: valuesAt(batch, column, row) }]];
    }),
  );

function valuesAt(batch: Minibatch, { type, shape, data }: Column, row: number): number[] {
  const size = rowSize({ type, shape: shape.slice(1) });
  const from = batch.picks[row]! * size;
  return Array.from(data.subarray(from, from + size), (value) => Number(value.toPrecision(6)));
}
