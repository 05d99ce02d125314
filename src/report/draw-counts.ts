import { rowSize, type ColumnData } from '../stream/columns.ts';
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
/** Numbers of a sample that are kept. */
const numbers = 200_000;

/** Counts how often each sample was drawn by importance, and keeps those drawn most as they are. */
export class DrawCounts {
  readonly #counts = new Map<string, number>();
  #kept = new Map<string, Row>();
  /** A sample is kept once it was drawn more often than this: a corpus may never give it again. */
  #bar = 0;

  add(batch: Minibatch): void {
    if (batch.phase === 'uniform') return;
    for (const [row, id] of batch.ids.entries()) {
      const drawn = (this.#counts.get(id) ?? 0) + 1;
      this.#counts.set(id, drawn);
      if (drawn > this.#bar && !this.#kept.has(id)) this.#kept.set(id, rowOf(batch, row));
    }
    if (this.#kept.size > 4 * shown) this.#prune();
    if (this.#counts.size > 2 * counted) this.#forget();
  }

  /** The samples drawn most, and how often. */
  top(): DrawnSample[] {
    return this.#leaders().map((id) => ({
      id,
      drawn: this.#counts.get(id) ?? 0,
      columns: written(this.#kept.get(id)!),
    }));
  }

  #leaders(): string[] {
    const drawn = (id: string) => this.#counts.get(id) ?? 0;
    return [...this.#kept.keys()].toSorted((a, b) => drawn(b) - drawn(a)).slice(0, shown);
  }

  #prune(): void {
    const leaders = this.#leaders();
    this.#kept = new Map(leaders.map((id) => [id, this.#kept.get(id)!]));
    this.#bar = this.#counts.get(leaders.at(-1)!) ?? 0;
  }

  #forget(): void {
    for (let least = 1; this.#counts.size > counted; least++)
      for (const [id, drawn] of this.#counts) if (drawn <= least && !this.#kept.has(id)) this.#counts.delete(id);
  }
}

/** A sample's columns as they lay in its presample. */
type Row = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: ColumnData }>>;

const rowOf = (batch: Minibatch, row: number): Row =>
  Object.fromEntries(
    Object.entries(batch.presample.columns).flatMap(
      ([
        name,
        {
          type,
          shape: [, ...shape],
          data,
        },
      ]) => {
        const size = rowSize({ type, shape });
        const from = batch.picks[row]! * size;
        return size > numbers ? [] : [[name, { shape, data: data.slice(from, from + size) }]];
      },
    ),
  );

const written = (row: Row): DrawnSample['columns'] =>
  Object.fromEntries(
    Object.entries(row).map(([name, { shape, data }]) => [
      name,
      { shape, values: Array.from(data, (value) => Number(value.toPrecision(6))) },
    ]),
  );
