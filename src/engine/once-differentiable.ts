import * as tf from '@tensorflow/tfjs';
import { EngineError } from '../errors.ts';

/** A function of several results with its gradient, as TensorFlow.js' engine takes it. */
interface GradientCall {
  readonly inputs: Readonly<Record<string, tf.Tensor>>;
  readonly forwardFunc: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => tf.Tensor[];
  readonly backwardsFunc: (dys: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]) => Record<string, () => tf.Tensor>;
}

/**
 * Runs a function of several results under a gradient of its own; `tf.customGrad` knows functions of one result only.
 *
 * @param backward from the gradients of the results, and what `forward` saved, to those of `inputs`
 */
export function withGradient(
  inputs: readonly tf.Tensor[],
  forward: (save: (tensors: tf.Tensor[]) => void) => tf.Tensor[],
  backward: (dys: tf.Tensor[], saved: tf.Tensor[]) => tf.Tensor[],
): tf.Tensor[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `tf.customGrad` calls; it has no type of its own
  const engine = tf.engine() as unknown as { runKernelFunc(call: GradientCall): tf.Tensor[] };
  return engine.runKernelFunc({
    inputs: Object.fromEntries(inputs.map((tensor, i) => [String(i), tensor])),
    forwardFunc: (_, save) => forward(save),
    backwardsFunc: (dys, saved) => {
      const gradients = backward(Array.isArray(dys) ? dys : [dys], saved);
      return Object.fromEntries(gradients.map((gradient, i) => [String(i), () => gradient.clone()]));
    },
  });
}

/**
 * Runs a gradient that is written by hand and takes what the forward pass left as constants. Within another gradient it
 * may be used as a number, and what goes around it is differentiated; a derivative through it would lack terms, so it is
 * refused.
 *
 * @param what the function whose gradient it is, for the message
 * @param inputs all tensors that the gradient depends on
 * @throws {EngineError} at the outer gradient, when it goes through this one
 */
export function onceDifferentiable(
  what: string,
  inputs: readonly tf.Tensor[],
  gradient: () => tf.Tensor[],
): tf.Tensor[] {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  const isTaped = gradientDepth > 0 && kernelDepth === 0;
  if (!isTaped) return gradient();
  return withGradient(inputs, gradient, () => {
    throw new EngineError(
      `${what}: expected a first derivative, got a gradient of its gradient, which its fast form does not have on the engine \`${tf.getBackend()}\`. Take second derivatives of a model that was not fused, of steps written as a loop, of a loss written out in operations.`,
      { engine: tf.getBackend() },
    );
  });
}
