import assert from 'node:assert/strict';
import { readFooter } from '../../../src/corpus/formats/parquet-pool.ts';
import type { FilePiece } from '../../../src/corpus/formats/parquet-worker.ts';
import { parquetBytes } from './write-files.ts';

/** Keeps this thread from hearing anything, as a step on an engine does. */
function keepBusy(ms: number): void {
  for (const endMs = performance.now() + ms; performance.now() < endMs;);
}

describe('readFooter', () => {
  const bytes = parquetBytes(10, 4);
  const piece: FilePiece = { fileBytes: bytes.length, start: 0, bytes };
  const limitMs = 1500;
  const rowsOf = async (reading: ReturnType<typeof readFooter>) => Number((await reading).num_rows);

  it('counts neither the starting of a thread nor what this one is busy with in its limit', async () => {
    const starting = [readFooter(piece, limitMs), readFooter(piece, limitMs)]; // one thread may be idle, not two
    keepBusy(2000);
    assert.deepEqual(await Promise.all(starting.map(rowsOf)), [10, 10]);
    const working = readFooter(piece, limitMs);
    keepBusy(2000);
    assert.equal(await rowsOf(working), 10);
  });

  it('ends a thread that takes longer, and the next one reads', async () => {
    const endless = Buffer.alloc(4e6, 0xff); // digits of one number: minutes of work
    endless[0] = 0x16; // a field of 64 bits
    endless.writeUInt32LE(endless.length - 8, endless.length - 8);
    endless.write('PAR1', endless.length - 4);
    const reading = readFooter({ fileBytes: endless.length, start: 0, bytes: endless }, 300);
    await assert.rejects(reading, { message: 'counts that take more than 300 ms to read' });
    assert.equal(await rowsOf(readFooter(piece)), 10);
  });
});
