import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { groupBy, mapConcurrently } from '../../src/corpus/map-concurrently.ts';

describe('mapConcurrently', () => {
  it('does all of the work, at most 16 items at a time', async () => {
    let underWay = 0;
    let most = 0;
    const done: number[] = [];
    await mapConcurrently([...Array(50).keys()], async (item) => {
      most = Math.max(most, ++underWay);
      await setImmediate();
      underWay -= 1;
      done.push(item);
    });
    assert.equal(most, 16);
    assert.deepEqual(
      done.toSorted((a, b) => a - b),
      [...Array(50).keys()],
    );
  });

  it('begins nothing after a failure, and throws it when what was under way has ended', async () => {
    const failure = new Error('third');
    let begun = 0;
    let underWay = 0;
    const work = async (item: number) => {
      begun += 1;
      underWay += 1;
      for (let i = 0; i < item; i++) await setImmediate();
      underWay -= 1;
      if (item === 3) throw failure;
    };
    await assert.rejects(mapConcurrently([...Array(50).keys()], work), failure);
    assert.equal(underWay, 0);
    assert.ok(begun < 25, `${begun} of 50 were begun`);
  });
});

describe('groupBy', () => {
  it('keeps the order of groups and of members', () => {
    assert.deepEqual(
      [...groupBy([3, 1, 5, 2], (n) => n % 2)],
      [
        [1, [3, 1, 5]],
        [0, [2]],
      ],
    );
  });
});
