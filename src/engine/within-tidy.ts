import * as tf from '@tensorflow/tfjs';
import { parseOptions } from '../options.ts';
import { CompileOptions } from './compile-options.ts';
import type { Engine, Step, Tensors } from './engine.ts';
import { flatten, rebuild } from './structure.ts';

/** `compile` of the engines that run each op as it comes: the step within `tf.tidy`. */
export const compileWithinTidy: Engine['compile'] = (step, options = {}) => {
  parseOptions('compile()', CompileOptions, options);
  return (...args) => withinTidy(step, args);
};

/**
 * Runs a step op by op, under the rules of a compiled one: it takes and gives tensors alone, and what it gives is the
 * caller's, who may dispose it. So an argument or a variable is given as another tensor
 * of the same numbers.
 *
 * @throws {CompileError} when the step gets or gives something else, a promise for one
 */
export function withinTidy<Args extends readonly Tensors[], Result extends Tensors>(
  step: Step<Args, Result>,
  args: Args,
): Result {
  const given = new Set(flatten(args, 'compile()'));
  const isOld = (tensor: tf.Tensor) => given.has(tensor) || tensor instanceof tf.Variable;
  let result: Result | undefined;
  tf.tidy(() => {
    const made = step(...args);
    const tensors = flatten(made, 'compile(): the step gives back');
    result = rebuild(
      made,
      tensors.map((tensor) => (isOld(tensor) ? tensor.clone() : tensor)),
    );
    return result as tf.TensorContainer; // tidy's type knows mutable containers only
  });
  return result!; // made in the same breath
}
