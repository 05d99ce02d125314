import * as tf from '@tensorflow/tfjs';

/** Numbers that look random and are always the same. */
export const wave = (shape: number[], phase = 0, frequency = 78.233) =>
  tf.tidy(() =>
    tf
      .range(
        0,
        shape.reduce((a, b) => a * b, 1),
      )
      .mul(frequency)
      .add(phase)
      .sin()
      .reshape(shape),
  );
