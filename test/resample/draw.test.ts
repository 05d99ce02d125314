import assert from 'node:assert/strict';
import fc from 'fast-check';
import { drawWithReplacement, importanceWeights, probabilities } from '../../src/resample/draw.ts';
import { createRng } from '../../src/stream/random.ts';

describe('probabilities', () => {
  it('sums to 1 and keeps the ratios of the scores', () => {
    assert.deepEqual([...probabilities([1, 3, 0, 4])], [0.125, 0.375, 0, 0.5]);
  });

  it('is uniform when every score is zero', () => {
    assert.deepEqual([...probabilities([0, 0, 0, 0])], [0.25, 0.25, 0.25, 0.25]);
  });
});

describe('importanceWeights', () => {
  it('makes the expectation of the weighted draw the mean, exactly', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.double({ min: 1e-6, max: 1e3, noNaN: true }), fc.double({ min: -5, max: 5, noNaN: true })),
          { minLength: 1, maxLength: 64 },
        ),
        (pairs) => {
          const g = probabilities(pairs.map(([score]) => score));
          const w = importanceWeights(g);
          const mean = pairs.reduce((total, [, value]) => total + value, 0) / pairs.length;
          const expected = pairs.reduce((total, [, value], i) => total + g[i]! * w[i]! * value, 0);
          assert.ok(Math.abs(expected - mean) < 1e-9);
        },
      ),
    ));

  it('is 0 where nothing can be drawn', () => {
    assert.deepEqual([...importanceWeights(probabilities([0, 1]))], [0, 0.5]);
  });
});

describe('drawWithReplacement', () => {
  it('draws sample i with probability g_i', () => {
    const g = probabilities([5, 0, 1, 2, 0, 2]);
    const draws = 200_000;
    const counts = new Float64Array(g.length);
    for (const row of drawWithReplacement(g, draws, createRng(1, 'test'))) counts[row]! += 1;
    // Chi-squared over the 4 rows that have mass: 3 degrees of freedom, 16.27 is passed by chance once in 1,000 seeds.
    let chi = 0;
    g.forEach((gi, i) => {
      if (gi === 0) assert.equal(counts[i], 0);
      else chi += (counts[i]! - draws * gi) ** 2 / (draws * gi);
    });
    assert.ok(chi < 16.27, `chi-squared ${chi}`);
  });

  it('draws the same rows for the same seed and others for another', () => {
    const g = probabilities([1, 2, 3, 4, 5, 6, 7, 8]);
    const draw = (seed: number) => [...drawWithReplacement(g, 32, createRng(seed, 'test'))];
    assert.deepEqual(draw(3), draw(3));
    assert.notDeepEqual(draw(3), draw(4));
  });

  it('never draws the last row without mass, even for the largest uniform number', () => {
    const almostOne = { uniform: () => 1 - 2 ** -53, integer: () => 0, state: () => [] };
    assert.deepEqual([...drawWithReplacement(probabilities([0.1, 0.7, 0]), 2, almostOne)], [1, 1]);
  });
});
