import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { gruSequence } from '../../../../src/engine/layers/gru-sequence.ts';
import { lstmSequence } from '../../../../src/engine/layers/lstm-sequence.ts';
import type { GateActivation, RecurrentSequence } from '../../../../src/engine/layers/recurrent-sequence.ts';
import { describeWithTensorflow } from '../with-tensorflow.ts';

interface Case {
  readonly title: string;
  readonly steps: number;
  readonly recurrentActivation: GateActivation;
  readonly mask?: readonly (readonly number[])[];
  readonly withState: boolean;
}

const cases: readonly Case[] = [
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

const [batch, inputSize, size] = [2, 3, 4];
/** Numbers that look random and are always the same. */
const wave = (shape: number[], phase: number) =>
  tf.tidy(() =>
    tf
      .range(
        0,
        shape.reduce((a, b) => a * b, 1),
      )
      .mul(78.233)
      .add(phase)
      .sin()
      .reshape(shape),
  );

/** The outputs, states and gradients of a sequence by all its tensors, as plain numbers. */
function run(
  sequence: RecurrentSequence,
  gates: number,
  states: number,
  test: Case,
  compile: (step: Pass) => Pass,
): number[] {
  const shapes = [[batch, test.steps, inputSize], [inputSize, gates * size], [size, gates * size], [gates * size]];
  const tensors = shapes.map((shape, i) => wave(shape, i));
  const initial = test.withState ? Array.from({ length: states }, (_, i) => wave([batch, size], 10 + i)) : [];
  const mask = test.mask && tf.tensor2d(test.mask.map((row) => [...row]));
  const pass: Pass = (...inputs) => {
    const forward = (...args: tf.Tensor[]) => {
      const [x, kernel, recurrentKernel, bias, ...state] = args;
      assert.ok(x && kernel && recurrentKernel && bias);
      const { outputs, states: last } = sequence(
        x.as3D(batch, test.steps, inputSize),
        kernel.as2D(inputSize, gates * size),
        recurrentKernel.as2D(size, gates * size),
        bias.as1D(),
        {
          recurrentActivation: test.recurrentActivation,
          needsStates: test.withState,
          ...(state.length > 0 && { initialState: state.map((tensor) => tensor.as2D(batch, size)) }),
          ...(mask && { mask: inputs.at(-1)?.as2D(batch, test.steps) }),
        },
      );
      const weighed = [outputs, ...last].map((tensor, i) => tensor.mul(wave(tensor.shape, 20 + i)).sum());
      return tf
        .stack([tf.addN(weighed), outputs.square().sum()])
        .sum()
        .asScalar();
    };
    const differentiated = inputs.slice(0, 4 + initial.length);
    const { value, grads } = tf.valueAndGrads(forward)([...differentiated]);
    return [value, ...grads];
  };
  const inputs = [...tensors, ...initial, ...(mask ? [mask] : [])];
  const results = tf.tidy(() => compile(pass)(...inputs).map((tensor) => Array.from(tensor.dataSync())));
  tf.dispose(inputs);
  return results.flat();
}
type Pass = (...inputs: tf.Tensor[]) => tf.Tensor[];

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
          assert.equal(actual.length, expected.length);
          actual.forEach((value, i) =>
            assert.ok(
              Math.abs(value - (expected[i] ?? NaN)) < 2e-5 * Math.max(1, Math.abs(value)),
              `[${i}] ${value}, expected ${expected[i]}`,
            ),
          );
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
