import { writeRow, type Schema } from '../stream/columns.ts';
import type { Phase } from '../stream/gate.ts';
import type { Sample } from '../stream/sample.ts';
import { atSteps } from '../stream/steps.ts';
import { expectId, whereIn, type Fill, type Filler } from './fill.ts';
import type { Ring } from './ring.ts';

/** Fills buffers of samples that all have one shape: each is written as it comes. */
export class RowFiller implements Filler {
  readonly #columns;
  readonly #ring: Ring;
  readonly #mostRows: number;
  #taken = 0;

  constructor(schema: Schema, ring: Ring, mostRows: number) {
    this.#columns = Object.entries(schema).map(([name, spec]) => [name, atSteps(spec, 0)] as const);
    this.#ring = ring;
    this.#mostRows = mostRows;
  }

  async fill(samples: AsyncIterator<Sample>, _phase: Phase, rows: number): Promise<Fill | undefined> {
    const storage = this.#ring.borrow(this.#mostRows);
    const ids: string[] = [];
    while (ids.length < rows) {
      const next = await samples.next();
      if (next.done) break;
      const sample = next.value;
      expectId(sample);
      for (const [name, spec] of this.#columns)
        writeRow(storage[name]!, spec, ids.length, sample[name], whereIn(name, sample));
      ids.push(sample.id);
    }
    if (ids.length === 0) {
      this.#ring.giveBack(storage);
      return undefined;
    }
    this.#taken += ids.length;
    return { ids, storage, isLast: ids.length < rows, passed: { taken: this.#taken, waiting: [] } };
  }
}
