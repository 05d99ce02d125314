import assert from 'node:assert/strict';
import { DrawCounts } from '../../src/report/draw-counts.ts';
import { Minibatch } from '../../src/stream/minibatch.ts';
import { Presample } from '../../src/stream/presample.ts';

/** A batch of these samples, each of which holds its own number. */
function batchOf(numbers: readonly number[], phase: 'uniform' | 'importance' = 'importance') {
  const known = [...new Set(numbers)];
  const x = { type: 'int32', shape: [known.length, 2], data: Int32Array.from(known.flatMap((n) => [n, -n])) } as const;
  const presample = new Presample(known.map(String), { x }, phase);
  const picks = Int32Array.from(numbers, (n) => known.indexOf(n));
  const weights = new Float32Array(numbers.length).fill(1);
  return new Minibatch(presample, { phase, picks, weights, tau: 1, version: 0 });
}

describe('DrawCounts', () => {
  it('gives the samples drawn most, with what they hold, though they never come again', () => {
    const counts = new DrawCounts();
    for (let i = 0; i < 1000; i++) {
      const favourite = i % 100 === 7 ? 5 : 0;
      counts.add(
        batchOf([10 * i, ...Array.from({ length: favourite + Math.floor(i / 500) }, () => 10 * i + 1), 10 * i + 2]),
      );
    }
    const top = counts.top();
    assert.equal(top.length, 24);
    assert.deepEqual(
      top.slice(0, 10).map(({ id, drawn }) => [id, drawn]),
      [...[5, 6, 7, 8, 9].map((n) => [`${1000 * n + 71}`, 6]), ...[0, 1, 2, 3, 4].map((n) => [`${1000 * n + 71}`, 5])],
    );
    for (const { id, columns } of top)
      assert.deepEqual(columns, { x: { shape: [2], values: [Number(id), 0 - Number(id)] } });
  });

  it('adds up what comes again, and counts no uniform draws', () => {
    const counts = new DrawCounts();
    for (let i = 0; i < 5; i++) counts.add(batchOf([1, 2]));
    counts.add(batchOf([3, 3, 3, 3, 3, 3, 3], 'uniform'));
    counts.add(batchOf([2]));
    assert.deepEqual(
      counts.top().map(({ id, drawn }) => [id, drawn]),
      [
        ['2', 6],
        ['1', 5],
      ],
    );
  });
});
