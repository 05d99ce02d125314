import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { compile } from '../../src/engine/compile.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { CompileError } from '../../src/errors.ts';
import { useTestEngine } from '../test-engine.ts';
import { describeWithTensorflow } from './tensorflow/with-tensorflow.ts';

const add = (variable: tf.Variable) => (x: tf.Tensor) => {
  variable.assign(variable.add(x));
  return variable.sum();
};
const later = (x: tf.Tensor) => Promise.resolve(x);

describe('compile', () => {
  before(useTestEngine);

  it('gives tensors that the caller may dispose, where the step gives back an argument or a variable', () => {
    const variable = tf.variable(tf.scalar(5));
    const x = tf.scalar(3);
    const results = compile((given: tf.Tensor) => [given, variable] as const)(x);
    assert.deepEqual(
      results.map((result) => result.dataSync()[0]),
      [3, 5],
    );
    tf.dispose([...results]);
    assert.deepEqual([x.isDisposed, variable.isDisposed], [false, false]);
    tf.dispose([x, variable]);
  });

  it('refuses a step that gives a promise', () => {
    const step = compile(later as unknown as (x: tf.Tensor) => tf.Tensor);
    assert.throws(() => step(tf.scalar(1)), CompileError);
  });

  it('is differentiated where a gradient is taken of it', () => {
    const square = compile((x: tf.Tensor) => tf.square(x));
    const slope = tf.tidy(() =>
      tf
        .grad((x) => tf.mul(x, square(x)).sum())(tf.tensor1d([2]))
        .dataSync(),
    );
    assert.deepEqual([...slope], [12]); // 3x² at 2
  });
});

describeWithTensorflow('compile over several engines', () => {
  afterEach(() => useEngine('tensorflow'));

  it('trains variables that were made on another engine', async () => {
    await useEngine('cpu');
    const variable = tf.tidy(() => tf.variable(tf.ones([20])));
    await useEngine('tensorflow');
    const step = compile(add(variable));
    const sums = [1, 1, 1].map((x) => tf.tidy(() => step(tf.scalar(x)).dataSync()[0]));
    assert.deepEqual(sums, [40, 60, 80]);
    variable.dispose();
  });

  it('shares no change between variables that had the same data on another engine', async () => {
    await useEngine('cpu');
    const [a, b] = tf.tidy(() => [tf.variable(tf.scalar(1)), tf.variable(tf.scalar(2))] as const);
    tf.tidy(() => a.assign(b.clone()));
    await useEngine('tensorflow');
    tf.tidy(() => compile(add(a))(tf.scalar(5)).dataSync());
    assert.deepEqual([a.dataSync()[0], b.dataSync()[0]], [7, 2]);
    tf.dispose([a, b]);
  });

  it('goes with the engine, and back', async () => {
    const variable = tf.tidy(() => tf.variable(tf.scalar(1)));
    const step = compile(add(variable));
    for (const [engine, expected] of [
      ['tensorflow', 2],
      ['cpu', 3],
      ['tensorflow', 4],
    ] as const) {
      await useEngine(engine);
      assert.equal(
        tf.tidy(() => step(tf.scalar(1)).dataSync()[0]),
        expected,
      );
    }
    variable.dispose();
  });
});
