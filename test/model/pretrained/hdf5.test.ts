import assert from 'node:assert/strict';
import { readHdf5 } from '../../../src/model/pretrained/hdf5.ts';

/** An HDF5 file of one array of each type. */
async function hdf5Of(arrays: Readonly<Record<string, readonly [data: ArrayBufferView, dtype: string]>>) {
  const h5 = await import('h5wasm/node');
  const { FS } = await h5.ready;
  const file = new h5.File('written.h5', 'w');
  for (const [name, [data, dtype]] of Object.entries(arrays))
    file.create_dataset({ name, data: data as Float32Array, dtype });
  file.close();
  const bytes = FS.readFile('written.h5').slice();
  FS.unlink('written.h5');
  return bytes;
}

describe('readHdf5', () => {
  it('gives arrays of numbers, and leaves counters of 64 bits out, signed or not', async () => {
    const bytes = await hdf5Of({
      kernel: [Float32Array.of(1, 2.5), '<f'],
      steps: [BigInt64Array.of(7n), '<q'],
      seed: [BigUint64Array.of(9n), '<Q'],
    });
    const tensors = await readHdf5(bytes, 'written.h5', async (file) => file.tensors);
    assert.deepEqual([...tensors], [['kernel', { shape: [2], data: Float32Array.of(1, 2.5) }]]);
  });
});
