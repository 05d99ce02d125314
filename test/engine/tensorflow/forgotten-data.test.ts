import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { TensorEntry } from '../../../src/engine/tensorflow/backend.ts';
import { ForgottenData } from '../../../src/engine/tensorflow/forgotten-data.ts';
import { collectGarbage } from '../../collect-garbage.ts';

describe('forgotten data', () => {
  const entry = (id: number): TensorEntry => ({ shape: [], dtype: 1, id, values: null, refCount: 1 });

  /** What is freed once all data whose entries are given is forgotten, in the order of their numbers. */
  async function freed(make: (forgotten: ForgottenData) => unknown, most: number): Promise<number[]> {
    const ids: number[] = [];
    const forgotten = new ForgottenData(({ id }) => ids.push(id));
    await make(forgotten);
    for (let i = 0; i < 20 && ids.length < most; i++) {
      collectGarbage();
      await turn();
    }
    forgotten.disposed(entry(0)); // it is in use until here: a registry that is collected frees nothing
    return ids.toSorted((a, b) => a - b);
  }

  it('is freed once it is collected, also where the event loop turned in between', async () => {
    assert.deepEqual(
      await freed(async (forgotten) => {
        forgotten.made({}, entry(1));
        forgotten.made({}, entry(2));
        await turn();
        forgotten.made({}, entry(3));
      }, 3),
      [1, 2, 3],
    );
  });

  it('is nothing that was disposed, in the same turn of the event loop or later', async () => {
    const [soon, later, never] = [entry(1), entry(2), entry(3)];
    assert.deepEqual(
      await freed(async (forgotten) => {
        for (const one of [soon, later, never]) forgotten.made({}, one);
        forgotten.disposed(soon);
        await turn();
        forgotten.disposed(later);
      }, 2),
      [3],
    );
  });

  it('is nothing that is still in use', async () => {
    const data = {};
    assert.deepEqual(await freed((forgotten) => forgotten.made(data, entry(1)), 1), []);
    assert.ok(data);
  });
});
