import * as tf from '@tensorflow/tfjs';
import { parseOptions } from '../options.ts';
import { CompileOptions } from './compile-options.ts';
import type { Engine, Step, Tensors } from './engine.ts';
import { activeEngine } from './use-engine.ts';
import { withinTidy } from './within-tidy.ts';

/**
 * Makes a step fast on whichever engine is active when it is called: "tf.function for TensorFlow.js". An engine that
 * cannot compile runs the step as it is, within `tf.tidy`, and so does a backend that was set by tfjs' own means. Under
 * `tf.grad` and the like it runs op by op on every engine, so that it is differentiated; compile what takes the gradient.
 *
 * What the step returns is owned by the caller, also where it gives back an argument or a variable; arguments are not
 * consumed. Learning rates, counters and seeds are
 * arguments or variables, because an engine may trace the step once and replay it.
 *
 * @throws {OptionsError} when an option is unknown
 * @throws {CompileError} at a call, when the step gets or gives something else than tensors, or cannot be traced
 *
 * @example
 * const step = compile((x: tf.Tensor2D, lr: tf.Scalar) => train(x, lr));
 */
export function compile<Args extends readonly Tensors[], Result extends Tensors>(
  step: Step<Args, Result>,
  options: CompileOptions = {},
): Step<Args, Result> {
  parseOptions('compile()', CompileOptions, options);
  // A process may change its engine; one that comes back finds the functions that it traced before.
  const compiledBy = new WeakMap<Engine, Step<Args, Result>>();
  return (...args) => {
    const engine = engineOfBackend();
    if (!engine) return withinTidy(step, args);
    const compiled = compiledBy.get(engine) ?? engine.compile(step, options);
    compiledBy.set(engine, compiled);
    return compiled(...args);
  };
}

/**
 * Resolves when the steps that were called with `later` are computed, well or not, and lets the event loop turn meanwhile.
 * Reading what a step gave waits for it too, but serves no timer and no socket. Resolves at once where nothing is under way.
 *
 * @example
 * const step = compile((x: tf.Tensor2D) => tf.sum(x), { later: true });
 * const sum = step(tf.ones([2, 2]));
 * await computed();
 * console.log(await sum.data());
 */
export const computed = async (): Promise<void> => engineOfBackend()?.computed?.();

/** The active engine, if tfjs' backend is still its own. */
const engineOfBackend = () => {
  const engine = activeEngine();
  return engine?.name === tf.getBackend() ? engine : undefined;
};
