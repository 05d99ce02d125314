import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { RidgeRegression } from '../../../src/train/fine-tuning/ridge-regression.ts';
import { createRng } from '../../../src/stream/random.ts';
import { useTestEngine } from '../../test-engine.ts';

/** Seeded rows of features and of weighted probabilities. */
function rowsOf(n: number, d: number, classes: number) {
  const rng = createRng(7, 'ridge');
  const x = Array.from({ length: n }, () => Array.from({ length: d }, () => 3 + 3 * (rng.uniform() - 0.5)));
  const weights = Array.from({ length: n }, () => 0.5 + rng.uniform());
  const y = x.map((row, i) => {
    const odds = Array.from({ length: classes }, (_, k) => Math.exp(row[k % d]! + 3 * (rng.uniform() - 0.5)));
    const total = odds.reduce((sum, value) => sum + value, 0);
    return odds.map((value) => (weights[i]! * value) / total);
  });
  return { x, y, weights };
}

describe('RidgeRegression', () => {
  before(useTestEngine);

  it('is where the slope of the penalised squared error is zero, whatever the batches', async () => {
    const [n, d, classes, penalty] = [40, 5, 3, 0.2];
    const { x, y, weights } = rowsOf(n, d, classes);
    const regression = new RidgeRegression(d, classes);
    for (const [from, to] of [
      [0, 7],
      [7, 8],
      [8, n],
    ] as const) {
      const rows = { x: tf.tensor2d(x.slice(from, to)), y: tf.tensor2d(y.slice(from, to)) };
      await regression.add(rows);
      tf.dispose(rows);
    }
    const map = regression.solve(penalty);

    const total = weights.reduce((sum, value) => sum + value, 0);
    const means = x[0]!.map((_, j) => x.reduce((sum, row, i) => sum + weights[i]! * row[j]!, 0) / total);
    const length = x.reduce(
      (sum, row, i) => sum + (weights[i]! * row.reduce((own, value, j) => own + (value - means[j]!) ** 2, 0)) / total,
      0,
    );
    /** c_i (Wᵀ x_i + b − p_i)_k */
    const errors = x.map((row, i) =>
      y[i]!.map((target, k) => {
        const score = row.reduce((sum, value, j) => sum + value * map.weights[j * classes + k]!, map.offsets[k]!);
        return weights[i]! * score - target;
      }),
    );
    for (let k = 0; k < classes; k++) {
      const offsetSlope = errors.reduce((sum, row) => sum + row[k]!, 0);
      assert.ok(Math.abs(offsetSlope) < 1e-3, `offset ${k}: ${offsetSlope}`);
      for (let j = 0; j < d; j++) {
        const slope = errors.reduce((sum, row, i) => sum + x[i]![j]! * row[k]!, 0);
        const pull = penalty * length * map.weights[j * classes + k]!;
        assert.ok(Math.abs(slope + pull) < 1e-3, `weight ${j}, ${k}: ${slope} + ${pull}`);
      }
    }
    assert.ok(map.weights.some((weight) => Math.abs(weight) > 0.01));
  });

  it('gives the mean of the targets where all features are alike', async () => {
    const regression = new RidgeRegression(2, 2);
    const rows = {
      x: tf.ones<tf.Rank.R2>([4, 2]),
      y: tf.tensor2d([
        [1, 0],
        [1, 0],
        [1, 0],
        [0, 1],
      ]),
    };
    await regression.add(rows);
    tf.dispose(rows);
    const { weights, offsets } = regression.solve(0.1);
    assert.deepEqual([...weights], [0, 0, 0, 0]);
    assert.deepEqual([...offsets], [0.75, 0.25]);
  });
});
