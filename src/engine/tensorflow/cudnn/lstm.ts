/* oxlint-disable typescript/no-unsafe-type-assertion -- TensorFlow.js' operations lose the ranks that the line beside each assertion gives back */
import * as tf from '@tensorflow/tfjs';
import {
  differentiable,
  type Recurrence,
  type RecurrenceInputs,
  type RecurrentSequence,
} from '../../layers/recurrent-sequence.ts';
import { overGaps } from './gaps.ts';
import type { CudnnInputs, CudnnOperations, CudnnOutputs } from './operations.ts';
import { packParameters, unpackParameters } from './parameters.ts';

/** An LSTM with sigmoid gates as one operation forward and one backward; any mask will do. */
export const cudnnLstm = (operations: CudnnOperations): RecurrentSequence =>
  overGaps(differentiable(recurrenceOf(operations), 2));

/** Its masks have no gaps: ones, then zeros, and at least a single one. */
const recurrenceOf = (operations: CudnnOperations): Recurrence => ({
  forward(inputs) {
    const { kernel, recurrentKernel, bias } = inputs;
    const parameters = packParameters({ kernel, recurrentKernel, bias });
    const isTraining = tf.engine().state.gradientDepth > 0;
    const given = operations.forward(asCudnn(inputs, parameters), isTraining);
    const { outputs, lastHidden, lastCell, reserved } = given;
    return {
      outputs: outputs.transpose<tf.Tensor3D>([1, 0, 2]), // [T, B, H] -> [B, T, H]
      lastCell: lastCell.squeeze<tf.Tensor2D>([0]), // [1, B, H] -> [B, H]
      saved: [parameters, outputs, lastHidden, lastCell, ...reserved],
    };
  },

  backward(inputs, saved, dOutputs, dLastCell) {
    const [parameters, outputs, lastHidden, lastCell, ...reserved] = saved as [...Four, ...tf.Tensor[]];
    const given: CudnnOutputs = { outputs, lastHidden, lastCell, reserved };
    const slopes = operations.backward(asCudnn(inputs, parameters), given, {
      outputs: dOutputs.transpose([1, 0, 2]), // [B, T, H] -> [T, B, H]
      lastHidden: tf.zerosLike(lastHidden), // the last state is taken from the outputs
      lastCell: dLastCell ? dLastCell.expandDims(0) : tf.zerosLike(lastCell),
    });
    const [, , inputSize] = inputs.x.shape;
    const weights = unpackParameters(slopes.parameters.as1D(), inputSize, inputs.recurrentKernel.shape[0]);
    return [
      slopes.x.transpose([1, 0, 2]), // [T, B, I] -> [B, T, I]
      weights.kernel,
      weights.recurrentKernel,
      weights.bias,
      slopes.hidden.squeeze([0]),
      slopes.cell.squeeze([0]),
    ];
  },
});

type Four = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

function asCudnn({ x, states, mask }: RecurrenceInputs, parameters: tf.Tensor): CudnnInputs {
  const [hidden, cell] = states.map((state) => state.expandDims(0)) as [tf.Tensor, tf.Tensor]; // [B, H] -> [1, B, H]
  const lengths = mask ? mask.sum(1).toInt() : tf.fill(x.shape.slice(0, 1), x.shape[1], 'int32');
  return { x: x.transpose([1, 0, 2]), hidden, cell, parameters, lengths };
}
