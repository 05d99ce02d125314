import assert from 'node:assert/strict';
import { MemoryCache } from '../../src/corpus/memory-cache.ts';

describe('MemoryCache', () => {
  const make = (bytes: number, made: number[]) => async () => {
    made.push(bytes);
    return new Uint8Array(bytes);
  };

  it('makes a thing once for all who ask, and keeps it after them', async () => {
    const made: number[] = [];
    const cache = new MemoryCache<Uint8Array>(100, (value) => value.byteLength);
    const [a, b] = await Promise.all([cache.lease('k', make(10, made)), cache.lease('k', make(10, made))]);
    assert.equal(a.value, b.value);
    a[Symbol.dispose]();
    a[Symbol.dispose]();
    assert.equal(cache.idleBytes, 0, 'it has a user still');
    b[Symbol.dispose]();
    assert.equal(cache.idleBytes, 10);
    using again = await cache.lease('k', make(10, made));
    assert.equal(again.value, a.value);
    assert.deepEqual(made, [10]);
  });

  it('never evicts what is in use, and holds no more than its limit of the rest', async () => {
    const made: number[] = [];
    const cache = new MemoryCache<Uint8Array>(100, (value) => value.byteLength);
    using kept = await cache.lease('kept', make(60, made));
    for (let i = 0; i < 10; i++) (await cache.lease(`other ${i}`, make(60, made)))[Symbol.dispose]();
    assert.equal(cache.idleBytes, 60);
    using again = await cache.lease('kept', make(60, made));
    assert.equal(again.value, kept.value);
  });

  it('forgets what could not be made', async () => {
    const cache = new MemoryCache<Uint8Array>(100, (value) => value.byteLength);
    await assert.rejects(
      cache.lease('k', () => Promise.reject(new Error('no'))),
      /no/,
    );
    using lease = await cache.lease('k', make(5, []));
    assert.equal(lease.value.byteLength, 5);
  });
});
