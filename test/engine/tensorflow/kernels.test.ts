import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { sparseSoftmaxCrossEntropy } from '../../../src/engine/tensorflow/index.ts';
import { describeWithTensorflow } from './with-tensorflow.ts';

/** Central differences of a scalar function, the oracle for gradients. */
function differences(f: (x: tf.Tensor) => tf.Tensor, x: readonly number[], shape: number[], step = 1e-2): number[] {
  const at = (values: readonly number[]) => tf.tidy(() => f(tf.tensor(Array.from(values), shape)).dataSync()[0] ?? 0);
  return x.map((_, i) => {
    const moved = (by: number) => at(x.map((value, j) => (i === j ? value + by : value)));
    return (moved(step) - moved(-step)) / (2 * step);
  });
}

const points = [-1.3, -0.4, 0.3, 0.9, 1.7, -2.1];

const close = (actual: tf.Tensor, expected: number[], tolerance: number) =>
  actual
    .dataSync()
    .forEach((value, i) =>
      assert.ok(Math.abs(value - (expected[i] ?? NaN)) < tolerance, `[${i}] ${value}, expected ${expected[i]}`),
    );

describeWithTensorflow('registerKernels', () => {
  for (const [name, f] of [
    ['relu', (x: tf.Tensor) => tf.relu(x).square().sum()],
    ['sigmoid', (x: tf.Tensor) => tf.sigmoid(x).square().sum()],
    ['tanh', (x: tf.Tensor) => tf.tanh(x).square().sum()],
    [
      'a bias',
      (x: tf.Tensor) =>
        tf
          .add(tf.ones([2, 4, 6]), x.as1D())
          .square()
          .sum(),
    ],
    [
      'a gather',
      (x: tf.Tensor) =>
        tf
          .gather(x, tf.tensor1d([0, 3, 3], 'int32'))
          .square()
          .sum(),
    ],
  ] as const) {
    it(`derives ${name} as differences do`, () => {
      tf.tidy(() => {
        const x = tf.tensor(points, [6]);
        close(tf.grad(f)(x), differences(f, points, [6]), 5e-3 * 10);
        // TensorFlow.js' own second derivatives of activations are wrong on every engine: their outputs are saved off the tape
        if (['relu', 'sigmoid', 'tanh'].includes(name)) return;
        const slope = (y: tf.Tensor) => tf.grad(f)(y).square().sum();
        close(tf.grad(slope)(x), differences(slope, points, [6]), 0.05 * (name === 'a bias' ? 100 : 1));
      });
    });
  }

  it('adds a row to matrices and a matrix to a row alike', () => {
    tf.tidy(() => {
      const [a, row] = [tf.ones([2, 3]), tf.tensor1d([1, 2, 3])];
      assert.deepEqual(tf.add(a, row).arraySync(), [
        [2, 3, 4],
        [2, 3, 4],
      ]);
      assert.deepEqual(tf.add(row, a).arraySync(), tf.add(a, row).arraySync());
      assert.deepEqual(
        tf.add(tf.ones([2, 3], 'int32'), tf.tensor1d([1, 2, 3], 'int32')).arraySync(),
        tf.add(a, row).arraySync(),
      );
    });
  });

  it('refuses an index out of range', () => {
    tf.tidy(() => assert.throws(() => tf.gather(tf.ones([3]), tf.tensor1d([3], 'int32')), /is not in \[0, 3\)/u));
  });

  for (const shape of [
    [6, 4],
    [2, 3, 4],
    [2, 3, 3, 4],
  ]) {
    it(`normalises a batch of shape [${shape.join(', ')}] as the stock layer does, with its averages and gradients`, async () => {
      const run = () =>
        tf.tidy(() => {
          const layer = tf.layers.batchNormalization({ name: 'bn', momentum: 0.9, inputShape: shape.slice(1) });
          const model = tf.sequential({ layers: [layer] });
          const at = (phase: number, dims: number[]) =>
            tf
              .range(
                0,
                dims.reduce((a, b) => a * b, 1),
              )
              .mul(3.7)
              .add(phase)
              .sin()
              .add(0.5)
              .reshape(dims);
          model.setWeights([at(1, [4]), at(2, [4]), at(3, [4]), at(4, [4]).abs()]);
          const x = at(5, shape);
          const weights = at(6, shape);
          const variables = model.trainableWeights
            .map((weight) => weight.read())
            .filter((weight) => weight instanceof tf.Variable);
          const loss = (input: tf.Tensor) => {
            const y = layer.apply(input, { training: true });
            assert.ok(y instanceof tf.Tensor);
            return y.mul(weights).square().sum().asScalar();
          };
          const dx = tf.grad((input: tf.Tensor) => loss(input))(x);
          const { value, grads } = tf.variableGrads(() => loss(x), variables);
          const numbers = [
            value,
            dx,
            ...variables.map((variable) => grads[variable.name] ?? x),
            ...model.getWeights(),
          ].flatMap((tensor) => Array.from(tensor.dataSync()));
          model.dispose();
          return numbers;
        });
      await tf.setBackend('cpu');
      const expected = run();
      await tf.setBackend('tensorflow');
      const actual = run();
      assert.equal(actual.length, expected.length);
      actual.forEach((value, i) =>
        assert.ok(
          Math.abs(value - (expected[i] ?? NaN)) < 2e-4 * Math.max(1, Math.abs(value)),
          `[${i}] ${value}, expected ${expected[i]}`,
        ),
      );
    });
  }

  it('gives cross-entropy and its slopes by their formulas, and its gradient through any use of it', () => {
    tf.tidy(() => {
      const z = tf.tensor2d([
        [0.5, -1, 2],
        [30, -30, 0],
      ]);
      const classes = tf.tensor1d([2, 1], 'int32');
      const { losses, slopes } = sparseSoftmaxCrossEntropy(z, classes);
      const row = [0.5, -1, 2].map(Math.exp);
      const sum = row.reduce((a, b) => a + b);
      const [first = 0, second = 0] = losses.arraySync();
      assert.ok(Math.abs(first - (Math.log(sum) - 2)) < 1e-6);
      assert.ok(Math.abs(second - 60) < 1e-4);
      slopes
        .arraySync()[0]
        ?.forEach((slope, i) => assert.ok(Math.abs(slope - ((row[i] ?? 0) / sum - (i === 2 ? 1 : 0))) < 1e-6));
      const f = (logits: tf.Tensor) =>
        sparseSoftmaxCrossEntropy(logits.as2D(2, 3), classes)
          .losses.mul(tf.tensor1d([3, 0.1]))
          .sum();
      tf.grad(f)(z)
        .dataSync()
        .forEach((value, i) =>
          assert.ok(Math.abs(value - (differences(f, Array.from(z.dataSync()), [2, 3])[i] ?? NaN)) < 5e-3),
        );
    });
  });
});
