import assert from 'node:assert/strict';
import { mkdtemp, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Position } from '../../src/stream/sample.ts';
import { RowStore } from '../../src/corpus/row-store.ts';

const like = {
  name: 'rows',
  schema: { x: { type: 'float32', shape: [3] }, y: { type: 'int32', shape: [] }, m: { type: 'uint8', shape: [2] } },
} as const;
const row = (i: number) => ({
  id: `row:${i}`,
  x: Float32Array.of(i, i / 7, -i),
  y: i % 5,
  m: Uint8Array.of(i % 256, 1),
});

async function take(store: RowStore, options: Parameters<RowStore['samples']>[0]) {
  const taken = [];
  for await (const sample of store.samples(options)) taken.push(sample);
  return taken;
}

describe('RowStore', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-rowstore-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function filled(memoryBytes: number, rows = 500): Promise<RowStore> {
    const store = new RowStore(like, { memoryBytes, folder });
    for (let i = 0; i < rows; i++) await store.add(row(i));
    return store;
  }

  it('gives back what was added where the system reads and writes less at a time than it is asked to', async () => {
    const probe = await open(join(folder, 'probe'), 'w');
    const prototype = Object.getPrototypeOf(probe) as Pick<FileHandle, 'read' | 'write'>; // of every handle
    await probe.close();
    const { read, write } = prototype;
    type Call = (buffer: Uint8Array, offset: number, length: number, position: number) => Promise<never>;
    const few = (own: unknown): Call =>
      async function (this: FileHandle, buffer, offset, length, position) {
        return (own as Call).call(this, buffer, offset, Math.min(length, 100), position);
      };
    Object.assign(prototype, { read: few(read), write: few(write) });
    try {
      await using store = await filled(3000);
      assert.equal(store.isOnDisk, true);
      assert.deepEqual(
        await take(store, { seed: 0, epochs: 1, shuffle: false }),
        Array.from({ length: 500 }, (_, i) => row(i)),
      );
    } finally {
      Object.assign(prototype, { read, write });
    }
  });

  for (const [where, memoryBytes] of [
    ['memory', 2 ** 20],
    ['a file', 3000],
  ] as const)
    it(`gives back what was added, in order or shuffled by the seed, from ${where}`, async () => {
      await using store = await filled(memoryBytes);
      assert.equal(store.isOnDisk, where === 'a file');
      assert.deepEqual(
        await take(store, { seed: 0, epochs: 1, shuffle: false }),
        Array.from({ length: 500 }, (_, i) => row(i)),
      );
      const [first, again, other] = [
        await take(store, { seed: 7, epochs: 1 }),
        await take(store, { seed: 7, epochs: 1 }),
        await take(store, { seed: 8, epochs: 1 }),
      ];
      assert.deepEqual(first, again);
      assert.notDeepEqual(first, other);
      assert.deepEqual(new Set(first.map(({ id }) => id)).size, 500);
      for (const sample of first) assert.deepEqual(sample, row(Number(sample.id.slice(4))));
    });

  it('goes on from a position', async () => {
    await using store = await filled(3000);
    const stream = store.samples({ seed: 7, epochs: 2 });
    const ids: string[] = [];
    let position: Position = {};
    for await (const { id } of stream) {
      ids.push(id);
      if (ids.length === 333) position = stream.position(333);
    }
    const rest = await take(store, { seed: 7, epochs: 2, from: position });
    assert.deepEqual(
      rest.map(({ id }) => id),
      ids.slice(333),
    );
  });

  it('leaves nothing on the disk', async () => {
    const store = await filled(3000);
    if (process.platform !== 'win32') assert.deepEqual(await readdir(folder), []); // unlinked while it is open
    await store[Symbol.asyncDispose]();
    assert.deepEqual(await readdir(folder), []);
  });

  it('refuses a row of another shape', async () => {
    await using store = new RowStore(like, { memoryBytes: 1000, folder });
    await assert.rejects(store.add({ ...row(0), x: Float32Array.of(1) }), {
      code: 'ERR_SHAPE',
      message: /Sample row:0: `x`/,
    });
  });
});
