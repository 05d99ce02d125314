import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { gruSequence } from '../../../../src/engine/layers/gru-sequence.ts';
import { lstmSequence } from '../../../../src/engine/layers/lstm-sequence.ts';
import { describeWithTensorflow } from '../with-tensorflow.ts';
import { assertNear, run, type Pass, type RecurrentCase } from './recurrent-case.ts';

const cases: readonly (RecurrentCase & { readonly title: string })[] = [
  { title: 'sigmoid gates', steps: 5, recurrentActivation: 'sigmoid', withState: false },
  { title: 'hard sigmoid gates', steps: 5, recurrentActivation: 'hardSigmoid', withState: false },
  {
    title: 'an initial state, its gradient and the last state',
    steps: 4,
    recurrentActivation: 'sigmoid',
    withState: true,
  },
  { title: 'a single step', steps: 1, recurrentActivation: 'sigmoid', withState: true },
  {
    title: 'a mask, also at the first step',
    steps: 4,
    recurrentActivation: 'hardSigmoid',
    withState: true,
    mask: [
      [0, 1, 1, 0],
      [1, 0, 1, 1],
    ],
  },
];

describeWithTensorflow('registerRecurrentLayers', (engine) => {
  for (const [layer, sequence, gates, states] of [
    ['LSTM', lstmSequence, 4, 2],
    ['GRU', gruSequence, 3, 1],
  ] as const) {
    for (const test of cases) {
      it(`gives the results and gradients of the plain ${layer}, eager and compiled: ${test.title}`, async () => {
        await tf.setBackend('cpu');
        const expected = run(sequence, gates, states, test, (pass) => pass);
        await tf.setBackend('tensorflow');
        let compiled: { dispose(): void } | undefined;
        for (const compile of [(pass: Pass) => pass, (pass: Pass) => (compiled = engine().compile(pass))] as const) {
          const actual = run(sequence, gates, states, test, compile);
          assertNear(actual, expected);
        }
        compiled?.dispose();
      });
    }
  }

  it('makes a function whose size does not depend on the number of steps', () => {
    const sizes = [8, 64].map((steps) => {
      const step = engine().compile((x: tf.Tensor3D, kernel: tf.Tensor2D, recurrent: tf.Tensor2D, bias: tf.Tensor1D) =>
        tf.grad((input: tf.Tensor) =>
          lstmSequence(input.as3D(1, steps, 1), kernel, recurrent, bias, {
            recurrentActivation: 'sigmoid',
          }).outputs.sum(),
        )(x),
      );
      tf.tidy(() => {
        step(tf.ones([1, steps, 1]), tf.ones([1, 8]), tf.ones([2, 8]), tf.ones([8]));
      });
      const { operations } = step;
      step.dispose();
      return operations;
    });
    // constants of 64 equal numbers and more are two operations more
    assert.ok(Math.abs((sizes[0] ?? 0) - (sizes[1] ?? 0)) <= 4, `${sizes.join(' and ')} operations`);
    assert.ok((sizes[0] ?? 0) < 100);
  });
});
