import assert from 'node:assert/strict';
import { simulate } from '../../bench/cluster-model.ts';
import { Room } from '../../src/cluster/room.ts';

describe('Room', () => {
  it('grows while the trainer waits, to two for each worker, and shrinks while much waits for it', () => {
    const room = new Room();
    assert.equal(room.size, 4);
    for (let i = 0; i < 20; i++) room.starved(5);
    assert.equal(room.size, 10);
    for (let i = 0; i < 20; i++) room.took(4);
    assert.equal(room.size, 4);
    room.took(1);
    assert.equal(room.size, 4);
  });

  const fleet = {
    scoreMs: 40,
    stepMs: 10,
    partBytes: 1e4,
    parameterBytes: 1e6,
    linkBytesPerMs: 1e6,
    parametersEvery: 1,
  };
  const busy = { ...fleet, steps: 2000, jitter: 0.2, seed: 7 };

  it('keeps a simulated trainer busy with as many workers as it takes, and scores young with many more', () => {
    const [enough, many] = [simulate({ ...busy, workers: 6 }), simulate({ ...busy, workers: 256 })];
    const fixed = simulate({ ...busy, workers: 256, ahead: 512 });
    assert.ok(enough.busyShare > 0.95 && many.busyShare > 0.95, `${enough.busyShare}, ${many.busyShare}`);
    assert.ok(many.meanAge < 16 && fixed.meanAge > 300, `${many.meanAge}, ${fixed.meanAge}`);
  });

  it('has no fleet train faster than its workers score', () => {
    for (const workers of [1, 2, 3])
      assert.ok(Math.abs(simulate({ ...busy, workers, jitter: 0 }).stepsPerSecond / (25 * workers) - 1) < 0.05);
  });
});
