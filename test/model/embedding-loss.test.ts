import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { OptionsError } from '../../src/errors.ts';
import { marginLoss, recallAt1, tripletLoss, type Negatives } from '../../src/model/embedding-loss.ts';
import { useTestEngine } from '../test-engine.ts';

const labels = [0, 0, 1, 1, 1, 2, 0];
const D = 5;
const embeddings = labels.map((label, i) =>
  Array.from({ length: D }, (_, j) => Math.sin(3 * i + 7 * j + 1) + 0.6 * Math.cos(label * 2 + j)),
);

/** Triplets by loops, as the formula says. */
function reference(negatives: Negatives, margin: number, cutoff: number, x = embeddings): number[] {
  const unit = x.map((row) => row.map((value) => value / Math.hypot(...row)));
  const d = (i: number, j: number) => Math.hypot(...unit[i]!.map((value, k) => value - unit[j]![k]!));
  return labels.map((label, i) => {
    const positives = labels.flatMap((other, p) => (other === label && p !== i ? [p] : []));
    const others = labels.flatMap((other, n) => (other === label ? [] : [n]));
    if (positives.length === 0) return 0;
    const lossTo = (p: number, n: number) => Math.max(0, d(i, p) - d(i, n) + margin);
    const forPositive = (p: number) => {
      if (negatives === 'hardest') return lossTo(p, others.toSorted((a, b) => d(i, a) - d(i, b))[0]!);
      if (negatives === 'semi-hard') {
        const beyond = others.filter((n) => d(i, n) > d(i, p)).toSorted((a, b) => d(i, a) - d(i, b));
        return lossTo(p, beyond[0] ?? others.toSorted((a, b) => d(i, b) - d(i, a))[0]!);
      }
      const density = (at: number) => at ** (D - 2) * (1 - at ** 2 / 4) ** ((D - 3) / 2);
      const near = others.filter((n) => d(i, n) < 1.4);
      const weightOf = (n: number) => {
        if (negatives === 'all' || near.length === 0) return 1;
        return near.includes(n) ? 1 / density(Math.max(cutoff, d(i, n))) : 0;
      };
      const total = others.reduce((sum, n) => sum + weightOf(n), 0);
      return others.reduce((sum, n) => sum + (weightOf(n) / total) * lossTo(p, n), 0);
    };
    return positives.reduce((sum, p) => sum + forPositive(p), 0) / positives.length;
  });
}

describe('marginLoss', () => {
  before(useTestEngine);

  /** Pairs by loops, as the formula says. */
  function byLoops(isNearestOnly: boolean, margin: number, boundary: number): number[] {
    const unit = embeddings.map((row) => row.map((value) => value / Math.hypot(...row)));
    const d = (i: number, j: number) => Math.hypot(...unit[i]!.map((value, k) => value - unit[j]![k]!));
    return labels.map((label, i) => {
      const positives = labels.flatMap((other, p) => (other === label && p !== i ? [d(i, p)] : []));
      const others = labels.flatMap((other, n) => (other === label ? [] : [d(i, n)]));
      if (positives.length === 0) return 0;
      const far = positives.reduce((sum, at) => sum + Math.max(0, at - boundary + margin), 0) / positives.length;
      const near = isNearestOnly ? [Math.min(...others)] : others;
      return far + near.reduce((sum, at) => sum + Math.max(0, boundary - at + margin), 0) / near.length;
    });
  }

  for (const negatives of ['all', 'hardest'] as const)
    it(`follows its formula by loops, with ${negatives} negatives`, () => {
      const loss = marginLoss({ margin: 0.3, boundary: 1.1, negatives });
      const got = tf.tidy(() => loss(tf.tensor1d(labels, 'int32'), tf.tensor2d(embeddings)).dataSync());
      byLoops(negatives === 'hardest', 0.3, 1.1).forEach((value, i) =>
        assert.ok(Math.abs(got[i]! - value) < 1e-4, `${i}: ${got[i]} is not ${value}`),
      );
    });

  it('has the gradient of finite differences', () => {
    const loss = marginLoss({ margin: 0.3, boundary: 1.1 });
    const sumAt = (x: tf.Tensor) => tf.sum(loss(tf.tensor1d(labels, 'int32'), x));
    tf.tidy(() => {
      const gradient = tf.grad(sumAt)(tf.tensor2d(embeddings)).dataSync();
      for (const [i, j] of [
        [0, 1],
        [3, 2],
      ] as const) {
        const moved = (by: number) =>
          sumAt(
            tf.tensor2d(embeddings.map((row, a) => row.map((value, b) => (a === i && b === j ? value + by : value)))),
          ).dataSync()[0]!;
        const slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        assert.ok(Math.abs(gradient[i * D + j]! - slope) < 0.02, `${gradient[i * D + j]} is not ${slope}`);
      }
    });
  });

  it('takes the negatives that a scheme sets for its run', () => {
    const loss = marginLoss();
    assert.ok(loss.isTripletLoss);
    assert.equal(loss.name, 'marginLoss');
    loss.negatives = 'hardest';
    const values = (own: typeof loss) =>
      tf.tidy(() => [...own(tf.tensor1d(labels, 'int32'), tf.tensor2d(embeddings)).dataSync()]);
    assert.deepEqual(values(loss), values(marginLoss({ negatives: 'hardest' })));
  });

  it('refuses a boundary off the sphere', () => {
    assert.throws(() => marginLoss({ boundary: 2 }), OptionsError);
  });
});

describe('tripletLoss', () => {
  before(useTestEngine);

  for (const negatives of ['all', 'hardest', 'semi-hard', 'distance-weighted'] as const) {
    it(`follows its formula by loops, with ${negatives} negatives`, () => {
      const got = tf.tidy(() =>
        tripletLoss({ margin: 0.4, negatives })(tf.tensor1d(labels, 'int32'), tf.tensor2d(embeddings)).dataSync(),
      );
      reference(negatives, 0.4, 0.5).forEach((value, i) =>
        assert.ok(Math.abs(got[i]! - value) < 1e-4, `${i}: ${got[i]} is not ${value}`),
      );
    });

    it(`has the gradient of finite differences, with ${negatives} negatives`, () => {
      const loss = tripletLoss({ margin: 0.4, negatives });
      const at = tf.tensor2d(embeddings);
      const gradient = tf.tidy(() =>
        tf
          .grad((x: tf.Tensor) => tf.sum(loss(tf.tensor1d(labels, 'int32'), x)))(at)
          .dataSync(),
      );
      // Of `all`, `hardest` and `semi-hard` the loss is a function of the distances alone; the weights of
      // `distance-weighted` are held still in the gradient, so no finite difference of the whole is its oracle.
      if (negatives === 'distance-weighted') {
        assert.ok(gradient.every((value) => Number.isFinite(value)));
        assert.ok(Math.hypot(...gradient) > 1e-3);
      } else
        for (const [i, j] of [
          [0, 1],
          [2, 0],
          [4, 3],
          [6, 2],
        ] as const) {
          const shifted = (by: number) => {
            const copy = embeddings.map((row) => [...row]);
            copy[i]![j]! += by;
            return reference(negatives, 0.4, 0.5, copy).reduce((sum, value) => sum + value, 0);
          };
          const slope = (shifted(1e-4) - shifted(-1e-4)) / 2e-4;
          assert.ok(Math.abs(gradient[i * D + j]! - slope) < 2e-3, `${gradient[i * D + j]} is not ${slope}`);
        }
      at.dispose();
    });
  }

  it('refuses options out of range', () => assert.throws(() => tripletLoss({ margin: 0 }), OptionsError));
});

describe('recallAt1', () => {
  before(useTestEngine);
  it('says whose nearest neighbour is of the same class', () => {
    const got = tf.tidy(() => recallAt1(tf.tensor1d(labels, 'int32'), tf.tensor2d(embeddings)).dataSync());
    const unit = embeddings.map((row) => row.map((value) => value / Math.hypot(...row)));
    labels.forEach((label, i) => {
      const others = labels.map((_, j) => j).filter((j) => j !== i);
      const distance = (j: number) => Math.hypot(...unit[i]!.map((value, k) => value - unit[j]![k]!));
      const nearest = others.toSorted((a, b) => distance(a) - distance(b))[0]!;
      assert.equal(got[i], Number(labels[nearest] === label));
    });
  });
});
