import type * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import type { Attribute } from '../binding/attributes.ts';

/** What cuDNN's LSTM takes: one layer, one direction, steps first. */
export interface CudnnInputs {
  readonly x: tf.Tensor; // [T, B, I]
  readonly hidden: tf.Tensor; // [1, B, H], before the first step
  readonly cell: tf.Tensor; // [1, B, H]
  /** See `packParameters`. */
  readonly parameters: tf.Tensor;
  /** Steps of each sequence that count, 1 to T, int32 [B]. */
  readonly lengths: tf.Tensor;
}

/** What cuDNN's LSTM gives, and its gradient takes again. */
export interface CudnnOutputs {
  readonly outputs: tf.Tensor; // [T, B, H]; after a sequence's last step nobody should read them
  readonly lastHidden: tf.Tensor; // [1, B, H], after the last step of each sequence
  readonly lastCell: tf.Tensor; // [1, B, H]
  /** What cuDNN keeps for its gradient. */
  readonly reserved: readonly tf.Tensor[];
}

/** Gradients by what cuDNN's LSTM gave. */
export type OutputGradients = Pick<CudnnOutputs, 'outputs' | 'lastHidden' | 'lastCell'>;

/** Gradients by what it took. */
export type InputGradients = Omit<CudnnInputs, 'lengths'>;

/** The two operations, behind an interface because they run on CUDA devices alone. */
export interface CudnnOperations {
  /** @param isTraining whether a gradient will be asked for; else nothing is kept for it */
  forward(inputs: CudnnInputs, isTraining: boolean): CudnnOutputs;
  backward(inputs: CudnnInputs, outputs: CudnnOutputs, gradients: OutputGradients): InputGradients;
}

const attributes: readonly Attribute[] = [
  { name: 'rnn_mode', value: 'lstm' },
  { name: 'input_mode', value: 'linear_input' },
  { name: 'direction', value: 'unidirectional' },
  { name: 'time_major', value: true },
];

/** TensorFlow's `CudnnRNNV3` and `CudnnRNNBackpropV3`. */
export function cudnnOperations({ engineBinding, tensors }: TensorflowBackend): CudnnOperations {
  const run = (name: string, inputs: readonly tf.Tensor[], more: readonly Attribute[], count: number): tf.Tensor[] => {
    const ids = inputs.map((input) => tensors.idOf(input));
    const made = engineBinding.executeOp(name, [...attributes, ...more], ids, count);
    return made.map((output) => tensors.tensorOf(output));
  };
  return {
    forward(inputs, isTraining) {
      const more = [{ name: 'is_training', value: isTraining }];
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as many as asked for
      const [outputs, lastHidden, lastCell, ...reserved] = run('CudnnRNNV3', inOrder(inputs), more, 5) as [
        ...[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor],
      ];
      return { outputs, lastHidden, lastCell, reserved };
    },
    backward(inputs, given, gradients) {
      const results = [given, gradients].flatMap(({ outputs, lastHidden, lastCell }) => [
        outputs,
        lastHidden,
        lastCell,
      ]);
      const operands = [...inOrder(inputs), ...results, ...given.reserved];
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as many as asked for
      const [x, hidden, cell, parameters] = run('CudnnRNNBackpropV3', operands, [], 4) as [
        ...[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor],
      ];
      return { x, hidden, cell, parameters };
    },
  };
}

const inOrder = ({ x, hidden, cell, parameters, lengths }: CudnnInputs) => [x, hidden, cell, parameters, lengths];
