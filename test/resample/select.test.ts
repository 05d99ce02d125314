import assert from 'node:assert/strict';
import fc from 'fast-check';
import { OptionsError } from '../../src/errors.ts';
import {
  drawSystematically,
  inclusionProbabilities,
  probabilities,
  randomSubset,
  topRows,
} from '../../src/resample/draw.ts';
import { select, weightsOf, type Pick } from '../../src/resample/select.ts';
import { Smoothing, SmoothingOptions, type SmoothingOptions as Smooth } from '../../src/resample/smoothing.ts';
import { tau, tauOfDraw } from '../../src/resample/tau.ts';
import { resample } from '../../src/resample/resample.ts';
import { tauGate } from '../../src/resample/tau-gate.ts';
import { createRng, type Rng } from '../../src/stream/random.ts';
import type { Selection } from '../../src/stream/selection.ts';

const near = (value: number, wanted: number, tolerance = 1e-6) =>
  assert.ok(Math.abs(value - wanted) <= tolerance * (1 + Math.abs(wanted)), `${value} is not ${wanted}`);
const smoothing = (options: Partial<Smooth> = {}) => new Smoothing(SmoothingOptions.parse(options));
/** Random numbers that are known beforehand. */
const scripted = (numbers: readonly number[]): Rng => {
  let next = 0;
  return {
    uniform: () => numbers[next++ % numbers.length]!,
    integer: (below) => Math.floor(numbers[next++ % numbers.length]! * below),
    state: () => [],
  };
};
const drawOnce = (
  scores: readonly number[],
  selection: Selection,
  count: number,
  rng: Rng,
  smooth: Partial<Smooth> = {},
  share = 0,
): Pick[] =>
  select(
    Float32Array.from(scores),
    { tau: tau(scores), share },
    { selection, smoothing: smoothing(smooth), batchSize: count, draws: 1, rng },
  );
/** Σ over a minibatch of w x, divided by its size: what the step's gradient is for gradients x. */
const estimate = ({ picks, weights }: Pick, x: readonly number[]) =>
  picks.reduce((sum, row, i) => sum + weights[i]! * x[row]!, 0) / picks.length;
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

const scores = [0.5, 4, 0.25, 1, 9, 0.125, 2, 2];
const x = [3, -1, 2, 7, 5, -4, 0.5, 1];

/**
 * The exact expectation of a draw that takes one random number u: what it gives is constant between the breakpoints,
 * those u at which a position crosses a boundary of the cumulative distribution.
 */
function overOneNumber(boundaries: readonly number[], value: (u: number) => number): number {
  const inside = boundaries.map((at) => ((at % 1) + 1) % 1);
  const points = [0, ...new Set(inside), 1].toSorted((a, b) => a - b);
  return points
    .slice(1)
    .reduce((sum, to, i) => sum + (to - points[i]!) * (to > points[i]! ? value((to + points[i]!) / 2) : 0), 0);
}
const cumulative = (values: Float64Array) =>
  [...values].map((_, i) => values.slice(0, i + 1).reduce((a, b) => a + b, 0));

describe('select', () => {
  const smoothings: Record<string, Partial<Smooth>> = {
    'no smoothing': {},
    'additive smoothing': { additive: 0.7 },
    'adaptive smoothing': { adaptive: 0.5 },
    'power smoothing': { power: 0.5 },
    'a uniform floor': { uniformFloor: 0.2 },
  };
  for (const [name, smooth] of Object.entries(smoothings)) {
    it(`keeps the expectation of a multinomial draw exactly the mean, with ${name}`, () => {
      // One row a draw: Σ_i p_i w_i x_i, the p_i from the lengths of u that draw row i.
      const p = smoothing(smooth).floor(probabilities(smoothing(smooth).scores(Float32Array.from(scores))));
      const boundaries = cumulative(p);
      const expected = overOneNumber(boundaries, (u) =>
        estimate(drawOnce(scores, { draw: 'multinomial' }, 1, scripted([u]), smooth)[0]!, x),
      );
      near(expected, mean(x));
    });

    it(`keeps the expectation of a systematic draw exactly the mean, with ${name}`, () => {
      const p = smoothing(smooth).floor(probabilities(smoothing(smooth).scores(Float32Array.from(scores))));
      const boundaries = cumulative(p).map((at) => 5 * at);
      const expected = overOneNumber(boundaries, (u) =>
        estimate(drawOnce(scores, { draw: 'systematic' }, 5, scripted([u]), smooth)[0]!, x),
      );
      near(expected, mean(x));
    });

    it(`keeps the expectation of a distinct draw exactly the mean, with ${name}`, () => {
      const g = smoothing(smooth).floor(probabilities(smoothing(smooth).scores(Float32Array.from(scores))));
      const expected = overOneNumber(cumulative(inclusionProbabilities(g, 5)), (u) =>
        estimate(drawOnce(scores, { draw: 'distinct' }, 5, scripted([u]), smooth)[0]!, x),
      );
      near(expected, mean(x));
    });
  }

  it('keeps the expectation of rows kept one by one exactly the mean when they are weighed', () => {
    const chances = [1, 0.5, 0.25, 0.75];
    const some = x.slice(0, 4);
    // All 16 outcomes of four coins, each with its probability.
    let expected = 0;
    for (let outcome = 0; outcome < 16; outcome++) {
      const kept = chances.map((_, i) => (outcome >> i) % 2 === 1);
      const chance = chances.reduce((product, p, i) => product * (kept[i] ? p : 1 - p), 1);
      if (chance === 0) continue;
      const coins = scripted(kept.map((is, i) => (is ? chances[i]! / 2 : (1 + chances[i]!) / 2)));
      const picked = drawOnce([1, 1, 1, 1], { draw: 'keep', chances: () => chances, weightPower: 1 }, 2, coins);
      // Two rows a minibatch: the sum over them, as a share of the four rows.
      expected += (chance * picked.reduce((sum, pick) => sum + 2 * estimate(pick, some), 0)) / 4;
    }
    near(expected, mean(some));
  });

  it('takes the expectation over all subsets for the mean, unweighted', () => {
    const counts = Array.from({ length: 6 }, () => 0);
    const rng = createRng(1, 'subsets');
    for (let i = 0; i < 6000; i++) {
      const picks = randomSubset(6, 3, rng);
      assert.equal(new Set(picks).size, 3);
      for (const row of picks) counts[row]! += 1;
    }
    // Binomial(6000, 1/2): standard deviation 39; five of them, six rows: a false alarm in 300,000 seeds.
    for (const count of counts) assert.ok(Math.abs(count - 3000) < 195);
  });

  it('gives the weights a mean of 1 over the draw, whatever their power', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-3, max: 100, noNaN: true }), { minLength: 1, maxLength: 30 }),
        fc.double({ min: -2, max: 1, noNaN: true }),
        (values, weightPower) => {
          const p = probabilities(values);
          const weights = weightsOf(p, { draw: 'multinomial', weightPower }, 0);
          near(
            p.reduce((sum, pi, i) => sum + pi * weights[i]!, 0),
            1,
            1e-9,
          );
        },
      ),
    );
  });

  it('weighs by the power, against its formula, and by the largest', () => {
    const p = probabilities([1, 3]);
    const halves = weightsOf(p, { draw: 'multinomial', weightPower: 0.5 }, 0);
    near(halves[0]! / halves[1]!, Math.sqrt(3), 1e-12);
    const priority = weightsOf(p, { draw: 'multinomial', weightPower: (share) => share, weightScale: 'max' }, 1);
    assert.deepEqual(
      [...priority].map((weight) => Math.round(weight * 1e9) / 1e9),
      [1, 0.333333333],
    );
    assert.deepEqual([...weightsOf(p, { draw: 'multinomial', weightPower: 0 }, 0)], [1, 1]);
  });

  it('gives the last kept rows a full shape with rows of weight 0', () => {
    const all = { draw: 'keep', chances: () => [1, 0, 1, 1, 0, 1, 1], weightPower: 0 } as const;
    const picked = drawOnce([1, 1, 1, 1, 1, 1, 1], all, 3, scripted([0.5]));
    assert.deepEqual(
      picked.map(({ weights }) => [...weights]),
      [
        [1, 1, 1],
        [1, 1, 0],
      ],
    );
    assert.deepEqual([...picked[0]!.picks, ...picked[1]!.picks.subarray(0, 2)], [0, 2, 3, 5, 6]);
    const none = drawOnce([1, 1], { ...all, chances: () => [0, 0] }, 3, scripted([0.5]));
    assert.deepEqual([none.length, [...none[0]!.weights]], [1, [0, 0, 0]]);
  });
});

describe('drawSystematically', () => {
  it('gives each row ⌊n g⌋ or ⌈n g⌉ times, and never one without mass', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 10, noNaN: true })), {
          minLength: 1,
          maxLength: 20,
        }),
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (values, count, start) => {
          if (values.every((value) => value === 0)) return;
          const g = probabilities(values);
          const times = values.map(() => 0);
          for (const row of drawSystematically(g, count, start)) times[row]! += 1;
          times.forEach((n, row) => {
            if (g[row] === 0) assert.equal(n, 0);
            assert.ok(n >= Math.floor(count * g[row]! - 1e-9) && n <= Math.ceil(count * g[row]! + 1e-9));
          });
        },
      ),
    );
  });
});

describe('inclusionProbabilities', () => {
  it('sums to the number drawn, stays within 1 and is proportional below it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 1000, noNaN: true }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 30 }),
        (values, wanted) => {
          const count = Math.min(wanted, values.length);
          const pi = inclusionProbabilities(probabilities(values), count);
          near(
            pi.reduce((sum, value) => sum + value, 0),
            count,
            1e-9,
          );
          const ratios = [...pi].flatMap((value, i) => (value < 1 ? [value / values[i]!] : []));
          assert.ok([...pi].every((value) => value > 0 && value <= 1));
          for (const ratio of ratios) near(ratio, ratios[0]!, 1e-9);
        },
      ),
    );
  });

  it('fills up with rows without mass', () => {
    assert.deepEqual([...inclusionProbabilities(Float64Array.of(1, 0, 0), 2)], [1, 0.5, 0.5]);
  });
});

describe('topRows', () => {
  it('gives the largest first, and of equal ones the earlier', () => {
    assert.deepEqual([...topRows([1, 5, 3, 5, 2], 3)], [1, 3, 2]);
  });
});

describe('tauOfDraw', () => {
  it('is τ for the scores’ own probabilities, 1 for uniform ones, and less than 1 for worse', () => {
    near(tauOfDraw(scores, probabilities(scores)), tau(scores), 1e-12);
    near(
      tauOfDraw(
        scores,
        scores.map(() => 1 / 8),
      ),
      1,
      1e-12,
    );
    assert.ok(tauOfDraw(scores, probabilities(scores.map((score) => 1 / score))) < 1);
  });

  it('equals the ratio of second moments, by its definition', () => {
    const p = probabilities([1, 2, 3, 4, 5, 6, 7, 8]);
    const uniform = mean(scores.map((score) => score ** 2));
    const drawn = scores.reduce((sum, score, i) => sum + p[i]! * (score / (8 * p[i]!)) ** 2, 0);
    near(tauOfDraw(scores, p) ** 2, uniform / drawn, 1e-12);
  });
});

describe('Smoothing', () => {
  it('follows its formulas', () => {
    const of = (options: Partial<Smooth>) => Array.from(smoothing(options).scores([1, 4]));
    assert.deepEqual(of({ additive: 0.5 }), [1.5, 4.5]);
    assert.deepEqual(of({ power: 0.5 }), [1, 2]);
    assert.deepEqual(of({ adaptive: 2 }), [6, 9]); // mean 2.5
    const floored = smoothing({ uniformFloor: 0.5 }).floor(Float64Array.of(1, 0));
    assert.deepEqual([...floored], [0.75, 0.25]);
  });

  it('averages the mean scores of past presamples', () => {
    const adaptive = smoothing({ adaptive: 1 });
    adaptive.scores([1, 1]);
    const [second] = Array.from(adaptive.scores([3, 3]));
    near(second!, 3 + (0.9 * 0.1 * 1 + 0.1 * 3) / 0.19, 1e-12);
  });

  it('bounds weights by 1 / λ', () => {
    const g = smoothing({ uniformFloor: 0.25 }).floor(probabilities([0, 0, 0, 1]));
    assert.ok(weightsOf(g, { draw: 'multinomial' }, 0).every((weight) => weight <= 4 + 1e-12));
  });

  it('is refused out of range', () => {
    const make = (options: object) => () => resample({ gate: tauGate(), batchSize: 2, seed: 1, ...options });
    for (const bad of [
      { uniformFloor: 1.1 },
      { power: -1 },
      { additive: -1 },
      { adaptive: -1 },
      { draws: 0 },
      { draws: 1.5 },
    ])
      assert.throws(make(bad), OptionsError);
  });
});
