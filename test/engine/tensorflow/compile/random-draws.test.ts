import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { describeWithTensorflow } from '../with-tensorflow.ts';

const numbers = (tensor: tf.Tensor) => {
  const values = Array.from(tensor.dataSync());
  tensor.dispose();
  return values;
};
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]) => {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
};

const seeded = () => tf.randomUniform([5], 0, 1, 'float32', 42);

describeWithTensorflow('random numbers in a compiled step', (engine) => {
  it('are new at every call, and the same after the same seed', () => {
    const step = engine().compile(() => tf.stack([tf.randomUniform([4]), tf.randomUniform([4])]), { seed: 7 });
    const again = engine().compile(() => tf.stack([tf.randomUniform([4]), tf.randomUniform([4])]), { seed: 7 });
    const other = engine().compile(() => tf.stack([tf.randomUniform([4]), tf.randomUniform([4])]), { seed: 8 });
    const [a1, a2, b1, b2, c1] = [step(), step(), again(), again(), other()].map(numbers);
    assert.deepEqual([a1, a2], [b1, b2]);
    assert.equal(new Set([...(a1 ?? []), ...(a2 ?? []), ...(c1 ?? [])]).size, 24);
    for (const compiled of [step, again, other]) compiled.dispose();
  });

  it('start over with the engine’s seed', () => {
    const step = engine().compile(() => tf.randomNormal([3]));
    engine().setSeed(1);
    const first = [step(), step()].map(numbers);
    engine().setSeed(1);
    assert.deepEqual([step(), step()].map(numbers), first);
    engine().setSeed(2);
    assert.notDeepEqual(numbers(step()), first[0]);
    step.dispose();
  });

  // 40,000 draws: a mean is off by 5 standard errors once in 1.7 million seeds, and the seed is fixed.
  it('are whole numbers as eager ones are: booleans cut off, normal ones rounded', () => {
    const step = engine().compile(
      () => ({ coins: tf.randomUniform([40_000], 0, 2, 'bool'), normal: tf.randomNormal([40_000], 10, 4, 'int32') }),
      { seed: 3 },
    );
    const { coins, normal } = step();
    assert.deepEqual([coins.dtype, normal.dtype], ['bool', 'int32']);
    const [heads, drawn] = [coins, normal].map(numbers) as [number[], number[]];
    assert.ok(Math.abs(mean(heads) - 0.5) < 5 * (0.5 / 200));
    assert.ok(Math.abs(mean(drawn) - 10) < 5 * (4 / 200));
    assert.ok(Math.abs(deviation(drawn) ** 2 - (16 + 1 / 12)) < 0.6); // rounding adds 1/12
    step.dispose();
  });

  it('keep their type under a seed of their own', () => {
    const draw = () => tf.randomUniform([50], 0, 2, 'bool', 3);
    const step = engine().compile(draw);
    const [compiled, eager] = [step(), draw()];
    assert.equal(compiled.dtype, 'bool');
    assert.deepEqual(numbers(compiled), numbers(eager));
    step.dispose();
  });

  // 40,000 draws: a mean is off by 5 standard errors once in 1.7 million seeds, and the seed is fixed.
  for (const [name, draw, expectedMean, expectedDeviation, least, most] of [
    ['uniform in [-2, 3)', () => tf.randomUniform([40_000], -2, 3), 0.5, 5 / Math.sqrt(12), -2, 3],
    ['normal', () => tf.randomNormal([40_000], 4, 0.5), 4, 0.5, 1, 7],
    ['truncated normal', () => tf.truncatedNormal([40_000], -1, 2), -1, 1.7592, -5, 3],
    ['uniform integers in [0, 10)', () => tf.randomUniform([40_000], 0, 10, 'int32'), 4.5, Math.sqrt(99 / 12), 0, 9],
  ] as const) {
    it(`have the distribution asked for: ${name}`, () => {
      const step = engine().compile(draw, { seed: 3 });
      const values = numbers(step());
      const error = 5 * (expectedDeviation / Math.sqrt(values.length));
      assert.ok(Math.abs(mean(values) - expectedMean) < error, `mean ${mean(values)}`);
      assert.ok(Math.abs(deviation(values) - expectedDeviation) < error * 1.5, `deviation ${deviation(values)}`);
      assert.ok(Math.min(...values.slice(0, 10_000)) >= least && Math.max(...values.slice(0, 10_000)) <= most);
      step.dispose();
    });
  }

  it('give one number where one is asked for', () => {
    const step = engine().compile(() => tf.randomUniform([1], 5, 6), { seed: 1 });
    const [value = 0] = numbers(step());
    assert.ok(value >= 5 && value < 6);
    step.dispose();
  });

  it('stay the very numbers that a seed in the call means', () => {
    const step = engine().compile(seeded);
    const eager = numbers(seeded());
    assert.deepEqual(numbers(step()), eager);
    assert.deepEqual(numbers(step()), eager);
    step.dispose();
  });

  it('drop out the same elements forward and backward, others at the next call', () => {
    const step = engine().compile(
      (x: tf.Tensor) => {
        let y = x;
        const gradient = tf.grad((input: tf.Tensor) => (y = tf.keep(tf.dropout(input, 0.4))))(x);
        return [y, gradient];
      },
      { seed: 5 },
    );
    const x = tf.ones([1000]);
    const masks = [step(x), step(x)].map(([y, gradient]) => {
      assert.ok(y && gradient);
      const [forward, backward] = [numbers(y), numbers(gradient)];
      assert.deepEqual(forward, backward);
      assert.deepEqual(new Set(forward), new Set([0, Math.fround(1 / 0.6)]));
      return forward;
    });
    assert.notDeepEqual(masks[0], masks[1]);
    const kept = mean((masks[0] ?? []).map((value) => (value > 0 ? 1 : 0)));
    assert.ok(Math.abs(kept - 0.6) < 5 * Math.sqrt(0.24 / 1000), `kept ${kept}`);
    x.dispose();
    step.dispose();
  });

  it('pick classes by their probabilities', () => {
    const step = engine().compile((logits: tf.Tensor1D) => tf.multinomial(logits, 10_000), { seed: 2 });
    const logits = tf.tensor1d([0.1, 0.2, 0.7].map(Math.log));
    const picks = [step(logits), step(logits)].map(numbers);
    assert.notDeepEqual(picks[0], picks[1]);
    for (const [i, p] of [0.1, 0.2, 0.7].entries()) {
      const share = mean((picks[0] ?? []).map((pick) => (pick === i ? 1 : 0)));
      assert.ok(Math.abs(share - p) < 5 * Math.sqrt((p * (1 - p)) / 10_000), `class ${i}: ${share}`);
    }
    logits.dispose();
    step.dispose();
  });

  it('leave Math.random and buffers as they were', () => {
    const { random } = Math;
    const step = engine().compile(() => tf.randomUniform([2]));
    step().dispose();
    assert.equal(Math.random, random);
    assert.deepEqual(tf.buffer([2], 'float32').values, Float32Array.of(0, 0));
    step.dispose();
  });
});
