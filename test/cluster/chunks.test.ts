import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Assembly, chunksOf } from '../../src/cluster/chunks.ts';

describe('chunksOf', () => {
  it('is put together again in any order, with any stretch twice', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 100 }),
        fc.integer({ min: 1, max: 30 }),
        fc.infiniteStream(fc.nat()),
        (bytes, size, any) => {
          const chunks = chunksOf(bytes, size);
          const order = chunks
            .map((_, i) => ({ i, key: any.next().value as number }))
            .toSorted((a, b) => a.key - b.key);
          const assembly = new Assembly(1000);
          let whole: Uint8Array | undefined;
          for (const { i } of order) {
            if (chunks.length > 1 && i === order[0]!.i) assembly.add('k', i, chunks.length, chunks[i]!);
            whole = assembly.add('k', i, chunks.length, chunks[i]!) ?? whole;
          }
          assert.deepEqual([...whole!], [...bytes]);
        },
      ),
    );
  });

  it('gives up the oldest when too much lies about', () => {
    const assembly = new Assembly(100);
    assembly.add('old', 0, 2, new Uint8Array(60));
    assembly.add('new', 0, 2, new Uint8Array(60));
    assert.equal(assembly.add('old', 1, 2, new Uint8Array(1)), undefined);
    assert.equal(assembly.add('new', 1, 2, new Uint8Array(1))?.length, 61);
  });
});
