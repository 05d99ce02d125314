import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { compile } from '../../src/engine/compile.ts';
import { adam } from '../../src/train/optimizers/adam.ts';
import { withAverages, withRates } from '../../src/train/optimizers/decorate.ts';
import { sgd } from '../../src/train/optimizers/momentum.ts';
import type { Optimizer } from '../../src/train/optimizers/optimizer.ts';
import { rmsprop } from '../../src/train/optimizers/rmsprop.ts';
import { useTestEngine } from '../test-engine.ts';

/** Takes steps on two variables with given gradients. @returns their values after each */
function run(optimizer: Optimizer, steps: number, rates: readonly number[] = [0.1]) {
  const variables = ['a', 'b'].map((name, i) => ({ name, variable: tf.variable(tf.tensor1d([1 + i, -2])) }));
  const values: number[][][] = [];
  const step = compile((gradient: tf.Tensor1D, eta: tf.Scalar) => {
    optimizer.apply(
      variables.map((variable) => ({ ...variable, gradient })),
      eta,
    );
    return tf.add(eta, 0);
  });
  for (let i = 0; i < steps; i++) {
    tf.tidy(() => void step(tf.tensor1d([Math.cos(i), 0.3 * i]), tf.scalar(rates[i % rates.length]!)));
    values.push(variables.map(({ variable }) => [...variable.dataSync()]));
  }
  return { variables, values };
}

const near = (got: number, expected: number) => assert.ok(Math.abs(got - expected) < 2e-5, `${got} ${expected}`);

describe('withRates', () => {
  before(useTestEngine);

  const makers = {
    sgd: () => sgd({ learningRate: 0.1 }),
    momentum: () => sgd({ learningRate: 0.1, momentum: 0.9 }),
    nesterov: () => sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true }),
    adam: () => adam({ learningRate: 0.1 }),
    rmsprop: () => rmsprop({ learningRate: 0.1, centered: true }),
  };
  for (const [name, make] of Object.entries(makers))
    it(`moves a variable of ${name} as its own learning rate would, and leaves the others`, () => {
      const common = run(make(), 6);
      const slow = run(make(), 6, [0.02]);
      const both = run(
        withRates(make(), (variable) => (variable === 'a' ? 0.2 : 1)),
        6,
      );
      for (let i = 0; i < 6; i++)
        for (const at of [0, 1]) {
          near(both.values[i]![0]![at]!, slow.values[i]![0]![at]!);
          near(both.values[i]![1]![at]!, common.values[i]![1]![at]!);
        }
    });
});

describe('withAverages', () => {
  before(useTestEngine);

  it('keeps the average that its formula says, beside the values that it averages', () => {
    const optimizer = withAverages(sgd({ learningRate: 0.1 }), 0.6);
    const { variables, values } = run(optimizer, 12);
    assert.deepEqual(values, run(sgd({ learningRate: 0.1 }), 12).values);
    const expected = [1, -2];
    for (const [t, step] of values.entries()) {
      const decay = Math.min(0.6, (2 + t) / (11 + t));
      for (const at of [0, 1]) expected[at]! += (1 - decay) * (step[0]![at]! - expected[at]!);
    }
    optimizer.swap(variables);
    for (const at of [0, 1]) near(variables[0]!.variable.dataSync()[at]!, expected[at]!);
    optimizer.swap(variables);
    assert.deepEqual([...variables[0]!.variable.dataSync()], values.at(-1)![0]);
  });

  it('gives its averages to be saved, and takes them back', () => {
    const first = withAverages(adam({ learningRate: 0.1 }), 0.9);
    const { variables } = run(first, 4);
    const second = withAverages(adam({ learningRate: 0.1 }), 0.9);
    second.restore(first.slots());
    assert.deepEqual(Object.keys(second.slots()).toSorted(), Object.keys(first.slots()).toSorted());
    second.swap(variables);
    assert.deepEqual([...variables[0]!.variable.dataSync()], [...first.slots()['a/average']!.dataSync()]);
    first.dispose();
    second.dispose();
  });
});
