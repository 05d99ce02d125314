import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { fromTfjs } from '../../src/train/optimizers/from-tfjs.ts';
import { rmsprop } from '../../src/train/optimizers/rmsprop.ts';
import { useTestEngine } from '../test-engine.ts';

const factories: Readonly<Record<string, () => tf.Optimizer>> = {
  SGD: () => tf.train.sgd(0.1),
  momentum: () => tf.train.momentum(0.1, 0.9),
  Nesterov: () => tf.train.momentum(0.1, 0.9, true),
  Adam: () => tf.train.adam(0.05),
  RMSProp: () => tf.train.rmsprop(0.01, 0.9, 0.5),
  Adagrad: () => tf.train.adagrad(0.1),
};

/** Ten steps down a bent valley, from the same place. */
function descend(variable: tf.Variable, step: (gradient: tf.Tensor) => void): number[] {
  for (let i = 0; i < 10; i++)
    tf.tidy(() => {
      const { grads } = tf.variableGrads(
        () => tf.sum(tf.add(tf.square(variable), tf.sin(tf.mul(variable, 3)))),
        [variable],
      );
      step(grads[variable.name]!);
    });
  const values = [...variable.dataSync()];
  variable.dispose();
  return values;
}
const start = () =>
  tf.variable(
    tf.tensor2d([
      [1, -2, 3],
      [0.5, 0, -0.25],
    ]),
  );

describe('fromTfjs', () => {
  before(useTestEngine);

  for (const [name, make] of Object.entries(factories))
    it(`takes the very steps that tfjs' ${name} takes`, () => {
      const theirs = make();
      const [a, b] = [start(), start()];
      const expected = descend(a, (gradient) => theirs.applyGradients([{ name: a.name, tensor: gradient }]));
      const own = make();
      const { optimizer, compilable } = fromTfjs(own);
      assert.equal(compilable, name !== 'Adagrad');
      const rate = (own as unknown as { learningRate: number }).learningRate;
      const got = descend(b, (gradient) => optimizer.apply([{ name: 'w', variable: b, gradient }], tf.scalar(rate)));
      got.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 1e-5, `${value} is not ${expected[i]}`));
      for (const one of [theirs, own]) one.dispose();
      optimizer.dispose();
    });

  it('follows a learning rate that changes from step to step', () => {
    const { optimizer } = fromTfjs(tf.train.sgd(123));
    const variable = tf.variable(tf.scalar(1));
    tf.tidy(() => {
      for (const rate of [0.5, 0.25])
        optimizer.apply([{ name: 'w', variable, gradient: tf.scalar(1) }], tf.scalar(rate));
    });
    assert.equal(variable.dataSync()[0], 0.25);
    variable.dispose();
  });

  it('follows it for an optimizer that has no counterpart, without a read of the tensor', () => {
    const own = tf.train.adagrad(123, 0);
    const { optimizer } = fromTfjs(own);
    const variable = tf.variable(tf.scalar(1));
    const unreadable = tf.scalar(0);
    unreadable.dispose();
    tf.tidy(() => {
      for (const rate of [0.5, 0.25]) {
        optimizer.setLearningRate!(rate);
        optimizer.apply([{ name: 'w', variable, gradient: tf.scalar(1) }], unreadable);
      }
    });
    const expected = 1 - 0.5 - 0.25 / Math.SQRT2; // each step is divided by the root of the squares so far
    assert.ok(Math.abs(variable.dataSync()[0]! - expected) < 1e-6);
    variable.dispose();
    own.dispose();
  });

  it('frees its slots', () => {
    const own = tf.train.momentum(0.1, 0.9);
    const before = tf.memory().numTensors;
    const { optimizer } = fromTfjs(own);
    const variable = tf.tidy(start);
    tf.tidy(() => optimizer.apply([{ name: 'w', variable, gradient: tf.onesLike(variable) }], tf.scalar(0.1)));
    assert.deepEqual(Object.keys(optimizer.slots()), ['w/velocity']);
    optimizer.dispose();
    variable.dispose();
    assert.equal(tf.memory().numTensors, before);
    own.dispose();
  });
});

describe('rmsprop', () => {
  before(useTestEngine);
  it('takes the mean gradient out of the mean square when centred', () => {
    const [variable, optimizer] = [
      tf.variable(tf.scalar(0)),
      rmsprop({ learningRate: 0.1, centered: true, epsilon: 1e-3 }),
    ];
    let [s, mean, theta] = [0, 0, 0];
    tf.tidy(() => {
      for (const g of [1, 2, -1, 0.5]) {
        optimizer.apply([{ name: 'w', variable, gradient: tf.scalar(g) }], tf.scalar(0.1));
        s = 0.9 * s + 0.1 * g * g;
        mean = 0.9 * mean + 0.1 * g;
        theta -= (0.1 * g) / Math.sqrt(s - mean * mean + 1e-3);
      }
    });
    assert.ok(Math.abs(variable.dataSync()[0]! - theta) < 1e-4);
    optimizer.dispose();
    variable.dispose();
  });
});
