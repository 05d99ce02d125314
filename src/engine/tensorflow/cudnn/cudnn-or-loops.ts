import { lstmByStep } from '../../layers/lstm-sequence.ts';
import type { RecurrentSequence } from '../../layers/recurrent-sequence.ts';
import type { TensorflowBackend } from '../backend.ts';
import { outsideTrace } from '../compile/outside-trace.ts';
import { CudnnSwitch } from './cudnn-switch.ts';
import { cudnnLstm } from './lstm.ts';
import type { CudnnOperations } from './operations.ts';
import { deviation } from './trial.ts';

/** A switch that tries `operations` against the LSTM of plain operations, in the middle of a trace too. */
export const switchFor = (backend: TensorflowBackend, operations: CudnnOperations): CudnnSwitch =>
  new CudnnSwitch(() => outsideTrace(backend, () => deviation(cudnnLstm(operations), lstmByStep)));

/**
 * An LSTM on cuDNN where it can compute it, else on `loops`: gates have to be sigmoids. cuDNN's GRU is another one than
 * TensorFlow.js', which resets the state before the product with its weights and not after it.
 */
export function cudnnOrLoops(
  operations: CudnnOperations,
  loops: RecurrentSequence,
  cudnn: CudnnSwitch,
): RecurrentSequence {
  const fast = cudnnLstm(operations);
  return (...args) => {
    const [x, , , , { recurrentActivation }] = args;
    if (recurrentActivation !== 'sigmoid' || x.size === 0 || !cudnn.usable()) return loops(...args);
    try {
      return fast(...args);
    } catch (error) {
      if (!cudnn.giveUp(error)) throw error;
      return loops(...args);
    }
  };
}
