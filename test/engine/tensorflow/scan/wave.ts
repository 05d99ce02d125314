import * as tf from '@tensorflow/tfjs';

/** Numbers that look random and are always the same. */
export const wave = (shape: number[], phase: number) =>
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
