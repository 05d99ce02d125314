import { writeRow, type Schema } from '../stream/columns.ts';
import type { Phase } from '../stream/gate.ts';
import { fillsRows, type Sample, type SampleRows } from '../stream/sample.ts';
import { atSteps } from '../stream/steps.ts';
import { expectId, whereIn, type Fill, type Filler } from './fill.ts';
import type { Ring } from './ring.ts';

/** Fills buffers of samples that all have one shape: each is written as it comes. */
export class RowFiller implements Filler {
  readonly #schema: Schema;
  readonly #ring: Ring;
  readonly #mostRows: number;
  #taken = 0;

  constructor(schema: Schema, ring: Ring, mostRows: number) {
    this.#schema = schema;
    this.#ring = ring;
    this.#mostRows = mostRows;
  }

  async fill(samples: AsyncIterator<Sample>, _phase: Phase, rows: number): Promise<Fill | undefined> {
    const storage = this.#ring.borrow(this.#mostRows);
    const into = { schema: this.#schema, columns: storage, where: 'presample()' };
    const ids = await (fillsRows(samples) ? samples.fillRows(into, rows) : takeRows(samples, into, rows));
    if (ids.length === 0) {
      this.#ring.giveBack(storage);
      return undefined;
    }
    this.#taken += ids.length;
    return { ids, storage, isLast: ids.length < rows, passed: { taken: this.#taken, waiting: [] } };
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
