import * as tf from '@tensorflow/tfjs';

/** A variable to be trained, and its gradient. */
export interface Trained {
  readonly name: string;
  readonly variable: tf.Variable;
  readonly gradient: tf.Tensor;
}

/**
 * A gradient method written in tensors alone: the learning rate comes in as a tensor and every count is a variable, so
 * that an engine may trace a step once and replay it. tfjs' own optimizers bake the learning rate into the trace.
 */
export interface Optimizer {
  readonly name: string;
  /** The learning rate that it was made with, for a run without a schedule. */
  readonly learningRate: number;
  /** Told the learning rate of the next step as a number, before the step. For those that cannot take it as a tensor. */
  setLearningRate?(learningRate: number): void;
  /** Moves every variable by one step. Runs within the caller's `tf.tidy`. */
  apply(trained: readonly Trained[], learningRate: tf.Scalar): void;
  /** What it remembers between steps, by name; borrowed. */
  slots(): Readonly<Record<string, tf.Variable>>;
  /**
   * Takes the values of `slots()` of an earlier run, before the first step.
   * @param slots borrowed
   */
  restore(slots: Readonly<Record<string, tf.Tensor>>): void;
  dispose(): void;
}

/** Variables of an optimizer, made when first asked for, and named after the variable that they belong to. */
export class Slots {
  readonly #slots = new Map<string, tf.Variable>();

  /** A slot of the variable's shape, filled with a number or with a tensor's values. @returns borrowed */
  like(variable: tf.Variable, owner: string, slot: string, initial: number | tf.Tensor = 0): tf.Variable {
    return this.#get(`${owner}/${slot}`, () =>
      typeof initial === 'number' ? tf.fill(variable.shape, initial) : tf.add(initial, 0),
    );
  }

  /** A slot that holds one number. @returns borrowed */
  scalar(slot: string, initial: number): tf.Variable {
    return this.#get(slot, () => tf.scalar(initial));
  }

  all(): Record<string, tf.Variable> {
    return Object.fromEntries(this.#slots);
  }

  restore(slots: Readonly<Record<string, tf.Tensor>>): void {
    this.dispose();
    for (const [name, value] of Object.entries(slots))
      this.#slots.set(
        name,
        tf.tidy(() => tf.variable(value.clone(), false)),
      );
  }

  dispose(): void {
    for (const slot of this.#slots.values()) slot.dispose();
    this.#slots.clear();
  }

  #get(name: string, initial: () => tf.Tensor): tf.Variable {
    const known = this.#slots.get(name);
    if (known) return known;
    const slot = tf.tidy(() => tf.variable(initial(), false));
    this.#slots.set(name, slot);
    return slot;
  }
}
