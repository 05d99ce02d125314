import assert from 'node:assert/strict';
import fc from 'fast-check';
import { effectiveSampleSize, tau } from '../../src/resample/tau.ts';

/** The definition, as the paper has it: (1 − |g − u|² / |g|²)^(−1/2). */
function tauByDefinition(scores: readonly number[]): number {
  const sum = scores.reduce((a, b) => a + b, 0);
  const g = scores.map((score) => score / sum);
  const u = 1 / g.length;
  const squares = g.reduce((total, gi) => total + gi * gi, 0);
  const distance = g.reduce((total, gi) => total + (gi - u) ** 2, 0);
  return (1 - distance / squares) ** -0.5;
}

const someScores = fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1, maxLength: 200 });

describe('tau', () => {
  it('equals its definition, and the root of B times the sum of squared probabilities', () =>
    fc.assert(
      fc.property(someScores, (scores) => {
        const sum = scores.reduce((a, b) => a + b, 0);
        const identity = Math.sqrt(scores.length * scores.reduce((total, s) => total + (s / sum) ** 2, 0));
        assert.ok(Math.abs(tau(scores) - tauByDefinition(scores)) < 1e-6 * tau(scores));
        assert.ok(Math.abs(tau(scores) - identity) < 1e-12 * identity);
      }),
    ));

  it('lies between 1 and the root of B, and does not depend on the scale', () =>
    fc.assert(
      fc.property(someScores, (scores) => {
        const value = tau(scores);
        assert.ok(value >= 1 && value <= Math.sqrt(scores.length) * (1 + 1e-12));
        assert.ok(Math.abs(tau(scores.map((score) => score * 1e-30)) - value) < 1e-6 * value);
      }),
    ));

  it('is 1 for flat scores, for zero scores and for one sample', () => {
    for (const scores of [[2, 2, 2, 2], [0, 0, 0], [5], []]) assert.equal(tau(scores), 1);
  });

  it('is the root of B when one sample holds all the mass', () => {
    assert.equal(tau([0, 0, 3, 0, 0, 0, 0, 0, 0]), 3);
  });
});

describe('effectiveSampleSize', () => {
  it("is Kish's (Σ w)² / Σ w²", () =>
    fc.assert(
      fc.property(someScores, (w) => {
        const kish = w.reduce((a, b) => a + b, 0) ** 2 / w.reduce((total, wi) => total + wi * wi, 0);
        assert.ok(Math.abs(effectiveSampleSize(w) - kish) < 1e-9 * kish);
      }),
    ));
});
