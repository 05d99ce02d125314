import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { GateActivation, RecurrentSequence } from '../../../../src/engine/layers/recurrent-sequence.ts';
import { wave } from '../wave.ts';

/** A recurrent layer's run over sequences. */
export interface RecurrentCase {
  /** Sequences: 2 unless said otherwise. */
  readonly batch?: number;
  readonly steps: number;
  readonly recurrentActivation: GateActivation;
  readonly mask?: readonly (readonly number[])[];
  readonly withState: boolean;
}

const [inputSize, size] = [3, 4];
/** A weighted sum of a sequence's outputs and states, its gradients by all its tensors, and the sum again without a gradient, as plain numbers. */
export function run(
  sequence: RecurrentSequence,
  gates: number,
  states: number,
  test: RecurrentCase,
  compile: (step: Pass) => Pass,
): number[] {
  const { batch = 2 } = test;
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
    return [value, ...grads, forward(...differentiated)]; // the last one without a gradient
  };
  const inputs = [...tensors, ...initial, ...(mask ? [mask] : [])];
  const results = tf.tidy(() => compile(pass)(...inputs).map((tensor) => Array.from(tensor.dataSync())));
  tf.dispose(inputs);
  return results.flat();
}
export type Pass = (...inputs: tf.Tensor[]) => tf.Tensor[];

/** Holds numbers against those of the plain layer. */
export function assertNear(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) =>
    assert.ok(
      Math.abs(value - (expected[i] ?? NaN)) < 2e-5 * Math.max(1, Math.abs(value)),
      `[${i}] ${value}, expected ${expected[i]}`,
    ),
  );
}
