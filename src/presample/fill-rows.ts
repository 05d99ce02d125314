import { rowSize, writeRow, type Schema } from '../stream/columns.ts';
import type { Phase } from '../stream/gate.ts';
import { fillsRows, type Sample, type SampleRows } from '../stream/sample.ts';
import { atSteps } from '../stream/steps.ts';
import { expectId, whereIn, type Fill, type Filler } from './fill.ts';
import type { Ring, Storage } from './ring.ts';

/** Rows that were taken from the source and are in no buffer yet. */
interface Held {
  readonly storage: Storage;
  readonly ids: readonly string[];
}

/**
 * Fills buffers of samples that all have one shape: each is written as it comes. What was fetched ahead and is too much
 * for its buffer, because the gate has closed since, begins the next one.
 */
export class RowFiller implements Filler {
  readonly #schema: Schema;
  readonly #ring: Ring;
  readonly #mostRows: number;
  #taken = 0;
  #ahead: Promise<Held> | undefined;

  constructor(schema: Schema, ring: Ring, mostRows: number) {
    this.#schema = schema;
    this.#ring = ring;
    this.#mostRows = mostRows;
  }

  async fill(samples: AsyncIterator<Sample>, _phase: Phase, rows: number): Promise<Fill | undefined> {
    const { storage, ids: all } = await this.#fetch(samples, rows);
    const ids = all.slice(0, rows);
    this.#ahead = all.length > rows ? Promise.resolve(this.#rest(storage, all, rows)) : undefined;
    if (ids.length === 0) {
      this.#ring.giveBack(storage);
      return undefined;
    }
    this.#taken += ids.length;
    return { ids, storage, isLast: ids.length < rows, passed: { taken: this.#taken, waiting: [] } };
  }

  /** Of sources that write rows: those that give samples may have none yet, and nobody is to wait for them early. */
  async fetchAhead(samples: AsyncIterator<Sample>, rows: number): Promise<void> {
    if (!fillsRows(samples)) return;
    this.#ahead = this.#fetch(samples, rows);
    await this.#ahead.catch(() => {}); // thrown by the next fill
  }

  /** Holds `rows` rows or more; fewer only at the source's end. */
  async #fetch(samples: AsyncIterator<Sample>, rows: number): Promise<Held> {
    const { storage, ids } = (await this.#ahead) ?? { storage: this.#ring.borrow(this.#mostRows), ids: [] };
    if (ids.length >= rows) return { storage, ids };
    const into = { schema: this.#schema, columns: this.#from(storage, ids.length), where: 'presample()' };
    const missing = rows - ids.length;
    const more = await (fillsRows(samples) ? samples.fillRows(into, missing) : takeRows(samples, into, missing));
    return { storage, ids: ids.length === 0 ? more : [...ids, ...more] };
  }

  /** Moves the rows from `first` on to storage of their own. */
  #rest(storage: Storage, ids: readonly string[], first: number): Held {
    const next = this.#ring.borrow(this.#mostRows);
    for (const [name, spec] of Object.entries(this.#schema)) {
      const size = rowSize(atSteps(spec, 0));
      next[name]!.set(storage[name]!.subarray(first * size, ids.length * size));
    }
    return { storage: next, ids: ids.slice(first) };
  }

  #from(storage: Storage, row: number): Storage {
    if (row === 0) return storage;
    const columns = Object.entries(this.#schema).map(([name, spec]) => {
      const data = storage[name]!;
      return [name, data.subarray(row * rowSize(atSteps(spec, 0)))] as const;
    });
    return Object.fromEntries(columns);
  }
}

/** Takes up to `rows` samples, fewer only at the end, and writes them row after row. @returns their ids */
async function takeRows(samples: AsyncIterator<Sample>, into: SampleRows, rows: number): Promise<string[]> {
  const columns = Object.entries(into.schema).map(([name, spec]) => ({
    name,
    spec: atSteps(spec, 0),
    data: into.columns[name]!,
  }));
  const ids: string[] = [];
  while (ids.length < rows) {
    const next = await samples.next();
    if (next.done) break;
    const sample = next.value;
    expectId(sample);
    for (const { name, spec, data } of columns)
      writeRow(data, spec, ids.length, sample[name], () => whereIn(name, sample));
    ids.push(sample.id);
  }
  return ids;
}
