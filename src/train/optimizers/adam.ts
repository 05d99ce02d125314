import * as tf from '@tensorflow/tfjs';
import { Slots, type Optimizer } from './optimizer.ts';

export interface AdamOptions {
  readonly learningRate: number;
  /** Decay of the first moment. @default 0.9 – Kingma & Ba 2015 */
  readonly beta1?: number;
  /** Decay of the second moment. @default 0.999 – Kingma & Ba 2015 */
  readonly beta2?: number;
  /** Added to the root of the second moment. @default 1e-7 – Keras */
  readonly epsilon?: number;
}

/**
 * Adam (Kingma & Ba 2015, Algorithm 1).
 *
 *     m ← β₁ m + (1 − β₁) g;   v ← β₂ v + (1 − β₂) g²;   θ ← θ − η m̂ / (√v̂ + ε)
 *
 * with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).
 *
 * @example const optimizer = adam({ learningRate: 2e-3 });
 */
export function adam({ learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }: AdamOptions): Optimizer {
  const slots = new Slots();
  return {
    name: 'adam',
    learningRate,
    apply(trained, eta) {
      const [power1, power2] = [slots.scalar('beta1Power', beta1), slots.scalar('beta2Power', beta2)];
      const [correction1, correction2] = [tf.sub(1, power1), tf.sub(1, power2)];
      for (const { name, variable, gradient } of trained) {
        const [first, second] = [slots.like(variable, name, 'm'), slots.like(variable, name, 'v')];
        first.assign(tf.add(tf.mul(first, beta1), tf.mul(gradient, 1 - beta1)));
        second.assign(tf.add(tf.mul(second, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
        const scale = tf.add(tf.sqrt(tf.div(second, correction2)), epsilon);
        variable.assign(tf.sub(variable, tf.mul(tf.div(tf.div(first, correction1), scale), eta)));
      }
      power1.assign(tf.mul(power1, beta1));
      power2.assign(tf.mul(power2, beta2));
    },
    slots: () => slots.all(),
    restore: (saved) => slots.restore(saved),
    dispose: () => slots.dispose(),
  };
}
