import type * as tf from '@tensorflow/tfjs';
import { adam } from './adam.ts';
import { sgd } from './momentum.ts';
import type { Optimizer } from './optimizer.ts';
import { rmsprop } from './rmsprop.ts';

/** What tfjs' optimizers give as their configuration. */
type Config = Readonly<Record<string, number> & { useNesterov?: boolean; centered?: boolean }>;

/** The optimizers that have a counterpart here, by tfjs' class name. */
const counterparts: Readonly<Record<string, (config: Config) => Optimizer>> = {
  SGD: ({ learningRate }) => sgd({ learningRate: learningRate! }),
  Momentum: ({ learningRate, momentum, useNesterov }) =>
    sgd({ learningRate: learningRate!, momentum: momentum!, nesterov: useNesterov ?? false }),
  Adam: ({ learningRate, beta1, beta2, epsilon }) =>
    adam({ learningRate: learningRate!, beta1: beta1!, beta2: beta2!, epsilon: epsilon! }),
  RMSProp: ({ learningRate, decay, momentum, epsilon, centered }) =>
    rmsprop({
      learningRate: learningRate!,
      decay: decay!,
      momentum: momentum!,
      epsilon: epsilon!,
      centered: centered ?? false,
    }),
};

/** An optimizer, and whether its steps may be traced once and replayed. */
export interface Adapted {
  readonly optimizer: Optimizer;
  readonly compilable: boolean;
}

/**
 * The counterpart of a tfjs optimizer: SGD, momentum, Adam and RMSProp have one that can be compiled; any other is used
 * as it is, with its learning rate set before each step, and its steps are not compiled.
 */
export function fromTfjs(optimizer: tf.Optimizer): Adapted {
  const counterpart = counterparts[optimizer.getClassName()];
  if (counterpart) return { optimizer: counterpart(optimizer.getConfig() as Config), compilable: true };
  return { optimizer: wrap(optimizer), compilable: false };
}

function wrap(own: tf.Optimizer): Optimizer {
  const tuned = own as tf.Optimizer & { learningRate?: number };
  return {
    name: own.getClassName(),
    learningRate: tuned.learningRate ?? Number.NaN,
    setLearningRate(learningRate) {
      if (tuned.learningRate !== undefined) tuned.learningRate = learningRate;
    },
    apply(trained) {
      own.applyGradients(trained.map(({ variable, gradient }) => ({ name: variable.name, tensor: gradient })));
    },
    restore: () => {}, // nothing was saved of it
    slots: () => ({}), // tfjs gives an optimizer's variables by a promise only: see Trainer.tensors
    dispose: () => {}, // it belongs to the model that was compiled with it
  };
}
