import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { OptionsError } from '../errors.ts';
import type { Measures } from './step-record.ts';
import type { TensorData } from './safetensors.ts';

export const EarlyStoppingOptions = z.strictObject({
  /** Validations in a row without an improvement after which to stop. */
  patience: z.int().positive(),
  /** The measure of the validation that is watched. @default 'loss' */
  measure: z.string().min(1).default('loss'),
  /** Which way is better. @default 'lower' for the loss, else 'higher' */
  better: z.enum(['lower', 'higher']).optional(),
  /** What counts as an improvement. @default 0: anything */
  minimum: z.number().nonnegative().default(0),
  /** Whether the model ends with the weights of its best validation, else with the last. @default true */
  restoreBest: z.boolean().default(true),
});
export type EarlyStoppingOptions = z.output<typeof EarlyStoppingOptions>;

/** Plain values, for a checkpoint. */
export const EarlyStoppingState = z.object({ best: z.number().nullable(), waited: z.int().nonnegative() });
export type EarlyStoppingState = z.output<typeof EarlyStoppingState>;

const PREFIX = 'best/';

/** Watches a run's validations, remembers the best weights, and says when to stop. Dispose it. */
export class EarlyStopping {
  readonly #options: EarlyStoppingOptions;
  readonly #sign: number;
  /** By the weight's place in the model: tfjs numbers layers without a name over the whole process. */
  readonly #kept = new Map<string, tf.Tensor>();
  #best: number | undefined;
  #waited = 0;

  constructor(options: EarlyStoppingOptions) {
    this.#options = options;
    const { measure, better = measure === 'loss' ? 'lower' : 'higher' } = options;
    this.#sign = better === 'lower' ? -1 : 1;
  }

  get isOver(): boolean {
    return this.#waited >= this.#options.patience;
  }

  /**
   * Takes a validation's measures, and keeps the model's weights if they are the best so far. NaN is never the best.
   * @throws {OptionsError} when there is no measure of that name
   */
  observe(measures: Measures, model: tf.LayersModel): void {
    const { measure, minimum, restoreBest } = this.#options;
    const value = measures[measure];
    if (value === undefined)
      throw new OptionsError(
        `fit(): \`earlyStopping.measure\` must be one of ${Object.keys(measures).join(', ')}, got \`${measure}\`.`,
      );
    const gain = this.#best === undefined ? Infinity : this.#sign * (value - this.#best);
    if (!Number.isFinite(value) || !(gain > minimum)) {
      this.#waited += 1;
      return;
    }
    this.#best = value;
    this.#waited = 0;
    if (restoreBest) this.#keep(model);
  }

  #keep(model: tf.LayersModel): void {
    this.dispose();
    for (const [i, weight] of model.weights.entries()) this.#kept.set(String(i), tf.keep(tf.clone(weight.read())));
  }

  /** Gives the model the weights of the best validation, if they were kept. */
  restoreBest(model: tf.LayersModel): void {
    for (const [i, weight] of model.weights.entries()) {
      const best = this.#kept.get(String(i));
      if (best) weight.write(best);
    }
  }

  /** What a checkpoint must hold beside `state`. @returns borrowed */
  tensors(): Record<string, tf.Tensor> {
    return Object.fromEntries([...this.#kept].map(([name, tensor]) => [`${PREFIX}${name}`, tensor]));
  }

  state(): EarlyStoppingState {
    return { best: this.#best ?? null, waited: this.#waited };
  }

  restore({ best, waited }: EarlyStoppingState, tensors: Readonly<Record<string, TensorData>>): void {
    this.#best = best ?? undefined;
    this.#waited = waited;
    this.dispose();
    for (const [name, { shape, data }] of Object.entries(tensors))
      if (name.startsWith(PREFIX)) this.#kept.set(name.slice(PREFIX.length), tf.keep(tf.tensor(data, [...shape])));
  }

  dispose(): void {
    for (const tensor of this.#kept.values()) tensor.dispose();
    this.#kept.clear();
  }
}

/** The tensors of a checkpoint that are not early stopping's. */
export const withoutBest = (tensors: Readonly<Record<string, TensorData>>): Record<string, TensorData> =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => !name.startsWith(PREFIX)));
