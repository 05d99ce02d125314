import * as tf from '@tensorflow/tfjs';
import { createRng } from '../../../stream/random.ts';
import type { RecurrentSequence } from '../../layers/recurrent-sequence.ts';

const [batch, steps, inputSize, size] = [3, 5, 4, 6];
const shapes = [
  [batch, steps, inputSize],
  [inputSize, 4 * size],
  [size, 4 * size],
  [4 * size],
  [batch, size],
  [batch, size],
];
/** One whole sequence, one with a gap and an end, and one of a single step. */
const masks = [
  [1, 1, 1, 1, 1],
  [0, 1, 1, 0, 0],
  [1, 0, 0, 0, 0],
];

/**
 * The largest error |a - b| / (1 + |b|) of an LSTM against a right one, on a small seeded input: outputs with and without
 * a gradient wanted, last states, and the gradients by everything that goes in. Reads tensors on the host.
 */
export const deviation = (tried: RecurrentSequence, right: RecurrentSequence): number =>
  Math.max(
    ...[false, true].map((withMask) => {
      const [got, expected] = [tried, right].map((sequence) => tf.tidy(() => numbersOf(sequence, withMask)));
      return furthest(got ?? [], expected ?? []);
    }),
  );

function numbersOf(sequence: RecurrentSequence, withMask: boolean): number[] {
  const tensors = shapes.map((shape, i) => seeded(shape, `lstm ${i}`));
  const run = (...args: tf.Tensor[]): tf.Tensor => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- in the order and of the ranks of `shapes`
    const [x, kernel, recurrentKernel, bias, ...initialState] = args as unknown as [
      ...[tf.Tensor3D, tf.Tensor2D, tf.Tensor2D, tf.Tensor1D],
      ...tf.Tensor2D[],
    ];
    const mask = withMask ? { mask: tf.tensor2d(masks) } : {};
    const options = { recurrentActivation: 'sigmoid', needsStates: true, initialState, ...mask } as const;
    const { outputs, states } = sequence(x, kernel, recurrentKernel, bias, options);
    return tf.concat([outputs, ...states].map((tensor) => tensor.flatten()));
  };
  const results = run(...tensors);
  const weights = seeded(results.shape, 'weights');
  // computed again for the gradient, and there in another way
  const { value, grads } = tf.valueAndGrads((...args) =>
    run(...args)
      .mul(weights)
      .sum(),
  )(tensors);
  return [results, value, ...grads].flatMap((tensor) => [...tensor.dataSync()]);
}

function seeded(shape: readonly number[], name: string): tf.Tensor {
  const rng = createRng(1, name);
  const values = Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => 2 * rng.uniform() - 1);
  return tf.tensor(values, [...shape]);
}

function furthest(got: readonly number[], expected: readonly number[]): number {
  const errors = expected.map((right, i) => Math.abs((got[i] ?? NaN) - right) / (1 + Math.abs(right)));
  return errors.some(Number.isNaN) ? Infinity : Math.max(...errors);
}
