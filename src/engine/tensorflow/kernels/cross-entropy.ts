import * as tf from '@tensorflow/tfjs';
import { replaceCrossEntropy } from '../../cross-entropy.ts';
import { onceDifferentiable } from '../../once-differentiable.ts';
import type { TensorflowBackend } from '../backend.ts';
import { registerManyOutputs, runManyOutputs } from './override.ts';

const KERNEL = 'SparseSoftmaxCrossEntropyWithLogits';

/** Makes TensorFlow's kernel known, which gives the loss and its gradient in one pass over the logits. */
export function registerCrossEntropy(backend: TensorflowBackend): void {
  registerManyOutputs(backend, KERNEL, (run, { logits, classes }) =>
    logits && classes ? run(KERNEL, [logits, classes], [], 2) : [],
  );
  tf.registerGradient({
    kernelName: KERNEL,
    outputsToSave: [false, true],
    gradFunc: (dys, [slopes]) => {
      const [dLosses] = Array.isArray(dys) ? dys : [dys];
      if (!dLosses || !slopes) throw new RangeError(`${KERNEL} saves its second output.`);
      const byLogits = () => [tf.mul(slopes, tf.expandDims(dLosses, 1))];
      return {
        logits: () => onceDifferentiable('sparseSoftmaxCrossEntropy', [dLosses, slopes], byLogits)[0]!,
        classes: () => tf.zeros(dLosses.shape),
      };
    },
  });
  replaceCrossEntropy('tensorflow', sparseSoftmaxCrossEntropy);
}

/**
 * Softmax cross-entropy of logits [N, C] with classes [N] (int32), and its derivative by the logits, softmax(z) - onehot,
 * both of one pass. The loss is differentiable by the logits. For the engine `tensorflow`, which has to be active.
 *
 * @returns losses [N] and slopes [N, C], owned by the caller
 *
 * @example const { losses, slopes } = sparseSoftmaxCrossEntropy(logits, classes); // the upper bound is tf.norm(slopes, 2, 1)
 */
export function sparseSoftmaxCrossEntropy(
  logits: tf.Tensor2D,
  classes: tf.Tensor1D,
): { losses: tf.Tensor1D; slopes: tf.Tensor2D } {
  const [losses, slopes] = runManyOutputs(KERNEL, { logits, classes });
  if (!losses || !slopes) throw new RangeError(`${KERNEL} gives two tensors.`);
  return { losses: losses.as1D(), slopes: slopes.as2D(...logits.shape) };
}
