import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { lstmByStep } from '../../../../src/engine/layers/lstm-sequence.ts';
import type { RecurrentSequence } from '../../../../src/engine/layers/recurrent-sequence.ts';
import { cudnnLstm } from '../../../../src/engine/tensorflow/cudnn/lstm.ts';
import { createRng } from '../../../../src/stream/random.ts';
import { plainCudnn } from './plain-cudnn.ts';

interface Case {
  readonly title: string;
  readonly mask?: readonly (readonly number[])[];
  readonly needsStates?: boolean;
  readonly withState?: boolean;
}

const cases: readonly Case[] = [
  { title: 'plain' },
  { title: 'an initial state and the last one', withState: true, needsStates: true },
  { title: 'a mask of lengths', mask: [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], needsStates: true }, // prettier-ignore
  { title: 'a mask padded on the left', mask: [[0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]] }, // prettier-ignore
  { title: 'a mask with gaps', mask: [[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 1]], withState: true, needsStates: true }, // prettier-ignore
  { title: 'a sequence without steps', mask: [[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]], withState: true, needsStates: true }, // prettier-ignore
];

const [batch, steps, inputSize, size] = [3, 4, 3, 2];
const shapes = [[batch, steps, inputSize], [inputSize, 4 * size], [size, 4 * size], [4 * size], [batch, size], [batch, size]]; // prettier-ignore

const seeded = (shape: readonly number[], name: string) => {
  const rng = createRng(5, name);
  const values = Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => 2 * rng.uniform() - 1);
  return tf.tensor(values, [...shape]);
};

/** Outputs, states and the gradients by everything that goes in. */
function numbers(sequence: RecurrentSequence, { mask, needsStates = false, withState = false }: Case): number[] {
  return tf.tidy(() => {
    const tensors = shapes.slice(0, withState ? 6 : 4).map((shape, i) => seeded(shape, String(i)));
    const run = (...args: tf.Tensor[]) => {
      const [x, kernel, recurrentKernel, bias, ...initialState] = args;
      const { outputs, states } = sequence(
        x!.as3D(batch, steps, inputSize),
        kernel!.as2D(inputSize, 4 * size),
        recurrentKernel!.as2D(size, 4 * size),
        bias!.as1D(),
        {
          recurrentActivation: 'sigmoid',
          needsStates,
          ...(withState && { initialState: initialState.map((state) => state.as2D(batch, size)) }),
          ...(mask && { mask: tf.tensor2d(mask.map((row) => [...row])) }),
        },
      );
      return tf.concat([outputs, ...states].map((tensor) => tensor.flatten()));
    };
    const results = run(...tensors);
    const weights = seeded(results.shape, 'weights');
    const gradients = tf.grads((...args) =>
      run(...args)
        .mul(weights)
        .sum(),
    )(tensors);
    return [results, ...gradients].flatMap((tensor) => [...tensor.dataSync()]);
  });
}

describe('cudnnLstm', () => {
  before(() => tf.setBackend('cpu'));

  for (const each of cases) {
    it(`gives what the LSTM of plain operations gives, forward and gradient: ${each.title}`, () => {
      const { operations, calls } = plainCudnn();
      const expected = numbers(lstmByStep, each);
      const actual = numbers(cudnnLstm(operations), each);
      assert.equal(actual.length, expected.length);
      actual.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 1e-5, `[${i}] ${value}, ${expected[i]}`));
      assert.deepEqual(calls, { inference: 1, training: 1, backward: 1 }, 'keeps nothing where no gradient is taken');
    });
  }
});
