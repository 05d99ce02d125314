import assert from 'node:assert/strict';
import { holm, incompleteBeta, pairedTest, spreadOf, studentTwoSided } from '../../../src/report/compare/statistics.ts';

const near = (value: number, wanted: number, tolerance = 1e-6) =>
  assert.ok(Math.abs(value - wanted) < tolerance, `${value} is not ${wanted}`);

describe('studentTwoSided', () => {
  it('gives the tables’ critical values', () => {
    // Two-sided 5 % and 1 % points of Student's distribution.
    for (const [freedom, t, p] of [
      [1, 12.706205, 0.05],
      [2, 4.302653, 0.05],
      [4, 2.776445, 0.05],
      [9, 2.262157, 0.05],
      [9, 3.249836, 0.01],
      [30, 2.042272, 0.05],
    ] as const)
      near(studentTwoSided(t, freedom), p);
  });

  it('has a closed form for 1 and 2 degrees of freedom', () => {
    for (const t of [0, 0.3, 1, 5, 40]) {
      near(studentTwoSided(t, 1), 1 - (2 / Math.PI) * Math.atan(t), 1e-10);
      near(studentTwoSided(-t, 2), 1 - t / Math.sqrt(2 + t * t), 1e-10);
    }
  });
});

describe('incompleteBeta', () => {
  it('is a polynomial for whole a and b', () => {
    near(incompleteBeta(0.3, 1, 1), 0.3, 1e-12);
    near(incompleteBeta(0.3, 2, 1), 0.09, 1e-12);
    near(incompleteBeta(0.8, 2, 2), 3 * 0.64 - 2 * 0.512, 1e-12);
    assert.deepEqual([incompleteBeta(0, 2, 3), incompleteBeta(1, 2, 3)], [0, 1]);
  });
});

describe('pairedTest', () => {
  it('tests the differences, as a textbook does', () => {
    // Differences 1, 2, 3, 4: mean 2.5, deviation 1.290994, t = 3.872983 on 3 degrees of freedom.
    const { mean, deviation, p } = pairedTest([2, 4, 6, 8], [1, 2, 3, 4]);
    near(mean, 2.5);
    near(deviation, 1.290994);
    near(p!, 0.030466, 1e-5);
  });

  it('cannot tell anything from one pair, and knows equal runs', () => {
    assert.equal(pairedTest([1], [2]).p, undefined);
    assert.equal(pairedTest([1, 2], [1, 2]).p, 1);
  });
});

describe('holm', () => {
  it('adjusts in steps, and never falls', () => {
    assert.deepEqual(holm([undefined, 0.01, 0.04, 0.03]), [undefined, 0.03, 0.06, 0.06]);
    assert.deepEqual(holm([0.6, 0.9]), [1, 1]);
  });
});

describe('spreadOf', () => {
  it('has the deviation of a sample', () => {
    assert.deepEqual(spreadOf([1, 3]), { mean: 2, deviation: Math.SQRT2 });
    assert.deepEqual(spreadOf([5]), { mean: 5, deviation: 0 });
  });
});
