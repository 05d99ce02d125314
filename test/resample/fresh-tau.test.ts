import assert from 'node:assert/strict';
import { freshTau } from '../../src/resample/fresh-tau.ts';
import { tau, tauOfDraw } from '../../src/resample/tau.ts';

/** Rows drawn exactly as often as their probabilities say. */
function exactDraw(g: readonly number[], scores: readonly number[], draws: number) {
  const rows = g.flatMap((share, row) => Array.from({ length: Math.round(share * draws) }, () => row));
  return { weights: rows.map((row) => 1 / (g.length * g[row]!)), fresh: rows.map((row) => scores[row]!) };
}

describe('freshTau', () => {
  it('is the τ of the draw when the scores are those drawn by', () => {
    const scores = [1, 2, 3, 4];
    const { weights, fresh } = exactDraw([0.1, 0.2, 0.3, 0.4], scores, 10);
    assert.ok(Math.abs(freshTau(weights, fresh) - tau(scores)) < 1e-12);
  });

  it('is that of drawing by stale probabilities when the scores have moved on', () => {
    const [g, now] = [
      [0.1, 0.2, 0.3, 0.4],
      [4, 1, 2, 1],
    ];
    const { weights, fresh } = exactDraw(g, now, 10);
    const expected = tauOfDraw(now, g);
    assert.ok(expected < 1, 'worse than uniform');
    assert.ok(Math.abs(freshTau(weights, fresh) - expected) < 1e-12);
  });

  it('is 1 where nothing has a gradient', () => {
    assert.equal(freshTau([1, 1], [0, 0]), 1);
  });
});
