import assert from 'node:assert/strict';
import { stateKey } from '../../src/corpus/shard-reader.ts';

describe('stateKey', () => {
  const state = { size: 100, mtimeMs: 5000, birthtimeMs: 3000, ino: 42 };

  it('tells a cached shard that was fetched anew from the one before, whose number it may have', () => {
    assert.notEqual(stateKey({ ...state, birthtimeMs: 4000 }), stateKey(state));
    assert.notEqual(stateKey({ ...state, size: 101 }), stateKey(state));
    assert.notEqual(stateKey({ ...state, ino: 43 }), stateKey(state));
  });

  it('does not mind that a cached shard was used, which changes its times, but a local one is another then', () => {
    assert.equal(stateKey({ ...state, mtimeMs: 6000 }), stateKey(state));
    assert.notEqual(stateKey({ ...state, mtimeMs: 6000 }, '/data/a'), stateKey(state, '/data/a'));
    assert.notEqual(stateKey(state, '/data/b'), stateKey(state, '/data/a'));
  });
});
