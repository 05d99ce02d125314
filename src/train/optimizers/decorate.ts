import * as tf from '@tensorflow/tfjs';
import { Slots, type Optimizer } from './optimizer.ts';

/**
 * Gives each variable a learning rate of its own: `rateOf` times the common one. Every optimizer here moves a variable
 * in proportion to the learning rate, so that is the same as
 *
 *     θ ← θ + r (θ' − θ),    θ' where the optimizer has moved it
 *
 * @param rateOf by the variable's name
 */
export const withRates = (inner: Optimizer, rateOf: (name: string) => number): Optimizer => ({
  ...inner,
  apply(trained, eta) {
    const slowed = trained
      .map(({ name, variable }) => ({ variable, rate: rateOf(name) }))
      .filter(({ rate }) => rate !== 1)
      .map((weight) => ({ ...weight, before: tf.clone(weight.variable) }));
    inner.apply(trained, eta);
    for (const { variable, rate, before } of slowed)
      variable.assign(tf.add(before, tf.mul(tf.sub(variable, before), rate)));
  },
});

/** An optimizer that averages what it trains. */
export interface AveragingOptimizer extends Optimizer {
  /** Puts the averages in the variables' place, and the variables' values in theirs; twice, nothing has changed. */
  swap(variables: readonly { readonly name: string; readonly variable: tf.Variable }[]): void;
}

const SUFFIX = '/average';
const COUNT = 'averaged';
const isAverage = (name: string) => name.endsWith(SUFFIX) || name === COUNT;

/**
 * Keeps an exponential moving average of what is trained (Polyak & Juditsky 1992, in TensorFlow's form):
 *
 *     a ← a + (1 − d_t) (θ − a),    d_t = min(decay, (1 + t) / (10 + t)),    a₀ = θ₀
 *
 * so that early on it follows quickly.
 *
 * @param decay in (0, 1)
 */
export function withAverages(inner: Optimizer, decay: number): AveragingOptimizer {
  const slots = new Slots();
  return {
    ...inner,
    apply(trained, eta) {
      const count = slots.scalar(COUNT, 0);
      const averages = trained.map(({ name, variable }) => slots.like(variable, name, SUFFIX.slice(1), variable));
      inner.apply(trained, eta);
      count.assign(tf.add(count, 1));
      const left = tf.sub(1, tf.minimum(decay, tf.div(tf.add(count, 1), tf.add(count, 10))));
      for (const [i, { variable }] of trained.entries()) {
        const average = averages[i]!;
        average.assign(tf.add(average, tf.mul(tf.sub(variable, average), left)));
      }
    },
    slots: () => ({ ...inner.slots(), ...slots.all() }),
    restore(saved) {
      const [own, others] = [true, false].map((wanted) =>
        Object.fromEntries(Object.entries(saved).filter(([name]) => isAverage(name) === wanted)),
      );
      inner.restore(others!);
      slots.restore(own!);
    },
    swap(variables) {
      const known = slots.all();
      tf.tidy(() => {
        for (const { name, variable } of variables) {
          const average = known[`${name}${SUFFIX}`];
          if (!average) continue; // no step was taken yet
          const value = tf.clone(variable);
          variable.assign(tf.clone(average));
          average.assign(value);
        }
      });
    },
    dispose() {
      inner.dispose();
      slots.dispose();
    },
  };
}
