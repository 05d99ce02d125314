import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { cacheFolder } from '../../../../src/engine/tensorflow/install/cache-folder.ts';

describe('cacheFolder', () => {
  it('is TAUSTREAM_CACHE before all else', () => {
    assert.equal(cacheFolder({ TAUSTREAM_CACHE: '/a', XDG_CACHE_HOME: '/b' }, 'linux', '/home/u'), resolve('/a'));
  });
  it('is below the cache folder of the user', () => {
    assert.equal(cacheFolder({ XDG_CACHE_HOME: '/b' }, 'linux', '/home/u'), '/b/taustream');
    assert.equal(cacheFolder({}, 'linux', '/home/u'), '/home/u/.cache/taustream');
    assert.equal(cacheFolder({}, 'darwin', '/Users/u'), '/Users/u/Library/Caches/taustream');
  });
});
