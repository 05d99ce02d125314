import * as tf from '@tensorflow/tfjs';

/** The weights of an LSTM as the stock layer has them: gates i, f, g, o side by side. */
export interface LstmWeights {
  readonly kernel: tf.Tensor2D; // [I, 4H]
  readonly recurrentKernel: tf.Tensor2D; // [H, 4H]
  readonly bias: tf.Tensor1D; // [4H]
}

/**
 * Packs weights as one row of numbers in cuDNN's layout ("cudnnGetRNNWeightParams" in NVIDIA's cuDNN documentation): for
 * the gates i, f, g, o in turn the input's matrix [H, I], then the state's [H, H], then two biases [H] each, which cuDNN
 * adds; the first of them is left at 0.
 *
 * @returns [4H (I + H + 2)]
 */
export function packParameters({ kernel, recurrentKernel, bias }: LstmWeights): tf.Tensor1D {
  // [I, 4H] -> [4H, I]: the matrices of the gates follow one another, each row by row
  const flat = [kernel, recurrentKernel].map((weights) => weights.transpose().flatten());
  return tf.concat1d([...flat, tf.zerosLike(bias), bias]);
}

/** Takes gradients apart that have the layout of `packParameters`. Both biases of a gate have the same gradient. */
export function unpackParameters(packed: tf.Tensor1D, inputSize: number, size: number): LstmWeights {
  const gates = 4 * size;
  const parts = tf.split(packed, [gates * inputSize, gates * size, gates, gates]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- split gives as many tensors as sizes
  const [kernel, recurrentKernel, , bias] = parts as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor1D];
  return {
    kernel: kernel.reshape([gates, inputSize]).transpose(), // [4H, I] -> [I, 4H]
    recurrentKernel: recurrentKernel.reshape([gates, size]).transpose(),
    bias,
  };
}
