import * as tf from '@tensorflow/tfjs';
import { LossError, ModelError } from '../errors.ts';
import type { Scheme } from '../importance/scheme.ts';
import { bindColumns, checkLabels, feedOf, type Binding } from '../model/binding.ts';
import type { Head } from '../model/head.ts';
import type { Schema } from '../stream/columns.ts';
import type { Gate } from '../stream/gate.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import { fromTfjs } from './optimizers/from-tfjs.ts';
import type { Optimizer } from './optimizers/optimizer.ts';
import { countersOf } from './resume.ts';
import { trainableVariables, weightedStep, type WeightedStep } from './step.ts';

export interface TrainerOptions {
  readonly schema: Schema;
  readonly scheme: Scheme;
  readonly gate: Gate;
  readonly clipNorm?: number | undefined;
  readonly weightDecay?: number;
  /** Told how long a step took. */
  readonly onCost?: (samples: number, milliseconds: number) => void;
  /** Told the scores of a uniform step's own batch. */
  readonly onScores?: (batch: Minibatch, scores: Float32Array) => void;
}

/**
 * Takes weighted steps on a model and tells the gate what it saw.
 *
 * Owns the optimizer's slots until `dispose`; the model's weights stay the model's.
 *
 * @throws {ModelError} when the model has no optimizer or nothing to train
 * @throws {ShapeError} when the columns do not fit the model
 */
export class Trainer {
  readonly optimizer: Optimizer;
  readonly #head: Head;
  readonly #options: TrainerOptions;
  readonly #binding: Binding;
  readonly #plainStep: WeightedStep;
  readonly #scoredStep: WeightedStep;

  constructor(head: Head, options: TrainerOptions) {
    const { model } = head;
    if (!model.optimizer || model.trainableWeights.length === 0)
      throw new ModelError(
        `Model \`${model.name}\`: expected an optimizer and weights to train, got ${model.optimizer ? 'no trainable weights' : 'no optimizer'}. ` +
          'Call model.compile({ optimizer, loss }), and leave at least one layer trainable.',
      );
    this.#head = head;
    this.#options = options;
    this.#binding = bindColumns(model, options.schema);
    const { optimizer, compilable } = fromTfjs(model.optimizer);
    this.optimizer = optimizer;
    const { scheme, clipNorm, weightDecay = 0 } = options;
    const common = { optimizer, compilable, scheme, weightDecay, clipNorm };
    this.#plainStep = weightedStep(head, common, false);
    this.#scoredStep = weightedStep(head, common, true);
  }

  /**
   * Takes one step and disposes the minibatch.
   *
   * @param learningRate η of this step
   * @returns the weighted loss before the step
   * @throws {LossError} when the loss is not finite; the parameters are spoilt then
   * @throws {LabelError} when a label lies outside the model's classes
   */
  async step(batch: Minibatch, learningRate: number): Promise<number> {
    const { gate, onCost, onScores } = this.#options;
    try {
      const begun = performance.now();
      if (batch.phase === 'uniform') checkLabels(this.#head, this.#binding, batch);
      const { loss, scores } = await this.#take(batch, learningRate);
      onCost?.(batch.size, performance.now() - begun);
      if (!Number.isFinite(loss)) throw lossError(batch, loss);
      if (scores) {
        onScores?.(batch, scores);
        gate.observe(scores);
      }
      return loss;
    } finally {
      batch.dispose();
    }
  }

  async #take(batch: Minibatch, learningRate: number): Promise<{ loss: number; scores?: Float32Array }> {
    const take = batch.phase === 'uniform' ? this.#scoredStep : this.#plainStep;
    const { loss, scores } = tf.tidy(() => {
      const feed = feedOf(this.#head.model, this.#binding, batch);
      return take(feed, tf.tensor1d(batch.weights), tf.scalar(learningRate)) as unknown as tf.TensorContainer;
    }) as unknown as ReturnType<WeightedStep>;
    try {
      const [value, batchScores] = await Promise.all([loss.data(), scores[0]?.data()]);
      return { loss: value[0]!, ...(batchScores ? { scores: batchScores as Float32Array } : {}) };
    } finally {
      tf.dispose([loss, ...scores]);
    }
  }

  /** The parameters and what the optimizer remembers, by name: all that a checkpoint needs. @returns borrowed */
  tensors(): Record<string, tf.Tensor> {
    const weights = this.#head.model.weights.map((weight) => [`model/${weight.originalName}`, weight.read()] as const);
    const slots = Object.entries(this.optimizer.slots()).map(([name, slot]) => [`optimizer/${name}`, slot] as const);
    return { ...Object.fromEntries<tf.Tensor>([...weights, ...slots]), ...countersOf(this.#head.model) };
  }

  dispose(): void {
    this.optimizer.dispose();
  }

  /** Names and variables that are trained. @returns borrowed */
  get trained(): readonly { name: string; variable: tf.Variable }[] {
    return trainableVariables(this.#head.model);
  }
}

const lossError = (batch: Minibatch, loss: number): LossError =>
  new LossError(
    `Step ${batch.version + 1}: expected a finite loss, got ${loss} on samples ${batch.ids.slice(0, 5).join(', ')}${batch.size > 5 ? ', ...' : ''}. ` +
      'Lower the learning rate, clip gradients with `clipNorm`, or look for NaN in these samples.',
    { step: batch.version + 1, loss, ids: batch.ids },
  );
