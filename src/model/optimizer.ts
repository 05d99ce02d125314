import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { PipelineError } from '../errors.ts';
import { parseOptions } from '../options.ts';

const optimizers = {
  sgd: (rate: number) => tf.train.sgd(rate),
  momentum: (rate: number) => tf.train.momentum(rate, 0.9),
  adam: (rate: number) => tf.train.adam(rate),
  adamax: (rate: number) => tf.train.adamax(rate),
  adagrad: (rate: number) => tf.train.adagrad(rate),
  adadelta: (rate: number) => tf.train.adadelta(rate),
  rmsprop: (rate: number) => tf.train.rmsprop(rate),
};
export const optimizerNames = ['sgd', 'momentum', 'adam', 'adamax', 'adagrad', 'adadelta', 'rmsprop'] as const;

export const OptimizerOptions = z.strictObject({
  /** `momentum` has the usual 0.9. For other settings, give a function. */
  name: z.enum(optimizerNames),
  /** @default 0.001 – guess */
  learningRate: z.number().positive().default(0.001),
});

/** An optimizer of tfjs by name, by name and learning rate, or a function that makes one. */
export type OptimizerChoice = (typeof optimizerNames)[number] | z.input<typeof OptimizerOptions> | (() => tf.Optimizer);

/**
 * Makes a maker of optimizers from what a pipeline says. Each run needs one of its own, because it holds slots.
 * @throws {OptionsError} when the name or an option is unknown
 */
export function optimizerMaker(where: string, choice: OptimizerChoice): () => tf.Optimizer {
  if (typeof choice === 'function') return () => expectOptimizer(where, choice());
  const options = typeof choice === 'string' ? { name: choice } : choice;
  const { name, learningRate } = parseOptions(`${where}: optimizer`, OptimizerOptions, options);
  return () => optimizers[name](learningRate);
}

function expectOptimizer(where: string, made: unknown): tf.Optimizer {
  if (made instanceof tf.Optimizer) return made;
  throw new PipelineError(
    `${where}: expected \`optimizer()\` to give a tf.Optimizer, got ${typeof made}. Make one with tf.train, of the \`@tensorflow/tfjs\` that taustream uses.`,
  );
}
