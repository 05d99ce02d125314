import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { isAlive } from '../src/is-alive.ts';

describe('isAlive', () => {
  it('tells a process that is there, also another user’s, from one that has ended', () => {
    assert.equal(isAlive(process.pid), true);
    assert.equal(isAlive(1), true);
    assert.equal(isAlive(spawnSync(process.execPath, ['-e', '']).pid), false);
  });
});
