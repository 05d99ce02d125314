import assert from 'node:assert/strict';
import type { FileHandle } from 'node:fs/promises';
import { readFully } from '../../src/corpus/byte-source.ts';

describe('readFully', () => {
  it('asks for less than 2 GiB at a time, which is where Node ends the process', async () => {
    const asked: [offset: number, length: number, position: number][] = [];
    const handle = {
      read: async (buffer: Buffer, offset: number, length: number, position: number) => {
        assert.ok(offset + length <= buffer.length);
        asked.push([offset, length, position]);
        return { bytesRead: length, buffer };
      },
    } as unknown as FileHandle; // what is used of one; nothing is read, so that the memory is never touched
    const bytes = await readFully(handle, 'large', 7, 7 + 2 ** 31 + 5);
    assert.equal(bytes.length, 2 ** 31 + 5);
    assert.ok(asked.every(([, length]) => length < 2 ** 31));
    assert.deepEqual(
      asked.map(([offset, , position]) => position - offset),
      asked.map(() => 7),
    );
    assert.equal(
      asked.reduce((sum, [, length]) => sum + length, 0),
      2 ** 31 + 5,
    );
  });
});
