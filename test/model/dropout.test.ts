import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { SeededDropout } from '../../src/model/dropout.ts';

function apply(layer: SeededDropout, input: tf.Tensor, training = true): tf.Tensor {
  const output = layer.apply(input, { training });
  assert.ok(output instanceof tf.Tensor);
  return output;
}

const masks = (of: SeededDropout, count: number, shape: number[]) =>
  Array.from({ length: count }, () => tf.tidy(() => Array.from(apply(of, tf.ones(shape)).dataSync())));
const within = (what: string, sum: number, n: number, p: number) =>
  assert.ok(Math.abs(sum - n * p) < 5 * Math.sqrt(n * p * (1 - p)) + 1, `${what}: ${sum} of ${n}, expected ${n * p}`);
const total = (values: number[]) => values.reduce((sum, value) => sum + value, 0);

describe('SeededDropout', () => {
  let before: number;
  let layer: SeededDropout;
  beforeEach(async () => {
    await tf.setBackend('cpu');
    before = tf.memory().numTensors;
    layer = new SeededDropout({ name: 'd', rate: 0.25, seed: 1 });
    tf.tidy(() => void apply(layer, tf.ones([1, 1]), false)); // a layer is built, and may be disposed, once applied
  });
  afterEach(() => {
    layer.dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  it('passes everything on outside training', () => {
    tf.tidy(() => assert.deepEqual(Array.from(apply(layer, tf.tensor2d([[1, 2]]), false).dataSync()), [1, 2]));
    assert.equal(layer.drawn.dataSync()[0], 0);
  });

  it('keeps the mean: what stays is scaled by 1 / (1 - rate)', () => {
    for (const value of masks(layer, 1, [8, 9])[0]!) assert.ok(value === 0 || Math.abs(value - 4 / 3) < 1e-6);
  });

  it('draws another mask each time, the same ones from the same seed', () => {
    const first = masks(layer, 3, [6, 20]);
    assert.equal(new Set(first.map(String)).size, 3);
    const again = new SeededDropout({ name: 'd', rate: 0.25, seed: 1 });
    assert.deepEqual(masks(again, 3, [6, 20]), first);
    const other = new SeededDropout({ name: 'd', rate: 0.25, seed: 2 });
    assert.notDeepEqual(masks(other, 3, [6, 20]), first);
    again.dispose();
    other.dispose();
  });

  it('goes on with the same masks where its counter is restored', () => {
    const [, , third] = masks(layer, 3, [4, 5]);
    const resumed = new SeededDropout({ name: 'd', rate: 0.25, seed: 1 });
    tf.tidy(() => resumed.drawn.assign(tf.scalar(2)));
    assert.deepEqual(masks(resumed, 1, [4, 5])[0], third);
    resumed.dispose();
  });

  it('drops each unit, row, mask and pair of neighbours as often as chance would (5 sigma, false alarm 1 in 10,000)', () => {
    const [count, rows, units] = [60, 40, 50];
    const dropped = masks(layer, count, [rows, units]).map((mask) => mask.map((value) => (value === 0 ? 1 : 0)));
    for (let u = 0; u < units; u++)
      within(`unit ${u}`, total(dropped.flatMap((mask) => mask.filter((_, i) => i % units === u))), count * rows, 0.25);
    for (let r = 0; r < rows; r++)
      within(`row ${r}`, total(dropped.flatMap((mask) => mask.slice(r * units, (r + 1) * units))), count * units, 0.25);
    for (const mask of dropped) within('mask', total(mask), rows * units, 0.25);
    const pairs = (step: number) =>
      total(dropped.flatMap((mask) => mask.slice(step).map((value, i) => value * mask[i]!)));
    for (const step of [1, 2, units, 2 * units])
      within(`pairs ${step} apart`, pairs(step), count * (rows * units - step), 1 / 16);
    const across = total(dropped.slice(1).flatMap((mask, m) => mask.map((value, i) => value * dropped[m]![i]!)));
    within('pairs of masks', across, (count - 1) * rows * units, 1 / 16);
  });

  it('gives gradients only to what it kept', () => {
    tf.tidy(() => {
      let kept: number[] = [];
      const gradient = tf.grad((x) => {
        const output = apply(layer, x);
        kept = Array.from(output.dataSync());
        return output.sum();
      })(tf.ones([3, 4]));
      assert.deepEqual(Array.from(gradient.dataSync()), kept);
    });
  });
});
