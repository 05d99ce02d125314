import assert from 'node:assert/strict';
import { leastCrossEntropyScale } from '../../../src/train/fine-tuning/logit-scale.ts';
import { createRng } from '../../../src/stream/random.ts';

const classes = 3;

function crossEntropy(scale: number, scores: readonly number[], targets: readonly number[]): number {
  let sum = 0;
  for (let row = 0; row < scores.length; row += classes) {
    const odds = scores.slice(row, row + classes).map((score) => Math.exp(scale * score));
    const total = odds.reduce((all, value) => all + value, 0);
    for (const [k, value] of odds.entries()) sum -= targets[row + k]! * Math.log(value / total);
  }
  return sum;
}

describe('leastCrossEntropyScale', () => {
  it('finds the factor that a search of the whole range finds', () => {
    const rng = createRng(7, 'scale');
    const scores = Array.from({ length: 300 }, () => 3 * (rng.uniform() - 0.5));
    const targets = scores.flatMap((_, i) => {
      if (i % classes > 0) return [];
      const odds = scores.slice(i, i + classes).map((score) => Math.exp(2.5 * score + 3 * (rng.uniform() - 0.5)));
      const total = odds.reduce((sum, value) => sum + value, 0);
      return odds.map((value) => ((1 + (i % 2)) * value) / total); // weights of 1 and 2
    });
    const batches = [
      { scores: scores.slice(0, 30), targets: targets.slice(0, 30) },
      { scores: scores.slice(30), targets: targets.slice(30) },
    ];
    const found = leastCrossEntropyScale(batches, classes);
    const grid = Array.from({ length: 1000 }, (_, i) => (i + 1) / 100);
    const best = grid.toSorted((a, b) => crossEntropy(a, scores, targets) - crossEntropy(b, scores, targets))[0]!;
    assert.ok(Math.abs(found - best) <= 0.01, `${found}, by search ${best}`);
  });

  it('ends at its greatest where targets are certain and all scores right', () => {
    const scale = leastCrossEntropyScale([{ scores: [1, 0, 0], targets: [1, 0, 0] }], classes);
    assert.ok(Math.abs(scale - 30) < 1e-6);
  });
});
