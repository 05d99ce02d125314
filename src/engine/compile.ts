import * as tf from '@tensorflow/tfjs';
import type { Step, Tensors } from './engine.ts';

/** Makes a step fast on one backend. */
export type Compiler = <Args extends readonly Tensors[], Result extends Tensors>(
  step: Step<Args, Result>,
) => Step<Args, Result>;

const compilers = new Map<string, Compiler>();

/** Sets how steps are compiled on a tfjs backend. Called by the engine that brings the backend. */
export const registerCompiler = (backend: string, compiler: Compiler): void => {
  compilers.set(backend, compiler);
};

/**
 * Makes a step fast on whichever engine is active at its first call: "tf.function for TensorFlow.js". An engine that
 * cannot compile runs the step as it is, within `tf.tidy`.
 *
 * What the step returns is owned by the caller; arguments are not consumed. Learning rates, counters and seeds are
 * arguments or variables, because an engine may trace the step once and replay it.
 *
 * @example
 * const step = compile((x: tf.Tensor2D, lr: tf.Scalar) => train(x, lr));
 */
export const compile: Compiler = <Args extends readonly Tensors[], Result extends Tensors>(
  step: Step<Args, Result>,
) => {
  let compiled: Step<Args, Result> | undefined;
  return (...args: Args): Result => {
    compiled ??= (compilers.get(tf.getBackend()) ?? withinTidy)(step);
    return compiled(...args);
  };
};

const withinTidy: Compiler =
  (step) =>
  (...args) =>
    tf.tidy(() => step(...args) as tf.TensorContainer) as ReturnType<typeof step>;
