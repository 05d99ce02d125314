import * as tf from '@tensorflow/tfjs';
import { Slots, type Optimizer } from './optimizer.ts';

export interface MomentumOptions {
  readonly learningRate: number;
  /** Weight of the past gradients, in [0, 1). 0 is plain SGD. @default 0 */
  readonly momentum?: number;
  /** Whether the step looks ahead along the momentum. @default false */
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent, with momentum or without.
 *
 *     v ← m v + g;   θ ← θ − η v      (Nesterov: θ ← θ − η (g + m v))
 *
 * @example const optimizer = sgd({ learningRate: 0.1, momentum: 0.9 });
 */
export function sgd({ learningRate, momentum = 0, nesterov = false }: MomentumOptions): Optimizer {
  const slots = new Slots();
  return {
    name: momentum === 0 ? 'sgd' : 'momentum',
    learningRate,
    apply(trained, eta) {
      for (const { name, variable, gradient } of trained) {
        if (momentum === 0) {
          variable.assign(tf.sub(variable, tf.mul(gradient, eta)));
          continue;
        }
        const velocity = slots.like(variable, name, 'velocity');
        velocity.assign(tf.add(tf.mul(velocity, momentum), gradient));
        const direction = nesterov ? tf.add(gradient, tf.mul(velocity, momentum)) : velocity;
        variable.assign(tf.sub(variable, tf.mul(direction, eta)));
      }
    },
    slots: () => slots.all(),
    restore: (saved) => slots.restore(saved),
    dispose: () => slots.dispose(),
  };
}
