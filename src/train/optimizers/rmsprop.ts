import * as tf from '@tensorflow/tfjs';
import { Slots, type Optimizer } from './optimizer.ts';

export interface RmspropOptions {
  readonly learningRate: number;
  /** Decay of the mean square. @default 0.9 – tfjs */
  readonly decay?: number;
  /** Weight of the past steps. @default 0 */
  readonly momentum?: number;
  /** Added to the mean square, under the root. @default 1e-7 – tfjs */
  readonly epsilon?: number;
  /** Whether the mean gradient is taken out of the mean square. @default false */
  readonly centered?: boolean;
}

/**
 * RMSProp, as tfjs has it.
 *
 *     s ← ρ s + (1 − ρ) g²;   u ← m u + η g / √(s + ε);   θ ← θ − u
 *
 * Centred: √(s − ḡ² + ε), with ḡ ← ρ ḡ + (1 − ρ) g.
 *
 * @example const optimizer = rmsprop({ learningRate: 1e-3 });
 */
export function rmsprop(options: RmspropOptions): Optimizer {
  const { learningRate, decay = 0.9, momentum = 0, epsilon = 1e-7, centered = false } = options;
  const slots = new Slots();
  const running = (past: tf.Variable, now: tf.Tensor) => tf.add(tf.mul(past, decay), tf.mul(now, 1 - decay));
  return {
    name: 'rmsprop',
    learningRate,
    apply(trained, eta) {
      for (const { name, variable, gradient } of trained) {
        const [square, update] = [slots.like(variable, name, 'meanSquare'), slots.like(variable, name, 'update')];
        square.assign(running(square, tf.square(gradient)));
        const mean = centered ? slots.like(variable, name, 'mean') : undefined;
        mean?.assign(running(mean, gradient));
        const spread = mean ? tf.sub(square, tf.square(mean)) : square;
        const step = tf.div(tf.mul(gradient, eta), tf.sqrt(tf.add(spread, epsilon)));
        update.assign(tf.add(tf.mul(update, momentum), step));
        variable.assign(tf.sub(variable, update));
      }
    },
    slots: () => slots.all(),
    restore: (saved) => slots.restore(saved),
    dispose: () => slots.dispose(),
  };
}
