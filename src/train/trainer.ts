import * as tf from '@tensorflow/tfjs';
import { LossError, ModelError } from '../errors.ts';
import type { HeadScore, VarianceReduction } from '../importance/scheme.ts';
import { bindColumns, checkLabels, feedOf, type Binding } from '../model/binding.ts';
import type { Head } from '../model/head.ts';
import type { Schema } from '../stream/columns.ts';
import type { Gate } from '../stream/gate.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import type { Presample } from '../stream/presample.ts';
import { fromTfjs } from './optimizers/from-tfjs.ts';
import { Slots, type Optimizer } from './optimizers/optimizer.ts';
import type { NoiseScale } from '../resample/noise-scale.ts';
import { AnchoredSteps } from './variance-reduced.ts';
import { countersOf } from './resume.ts';
import { weightedStep, type WeightedStep } from './step.ts';

export interface TrainerOptions {
  readonly schema: Schema;
  readonly gate: Gate;
  /** By what a uniform step scores its own batch, for the gate. */
  readonly score?: HeadScore | undefined;
  /** By what every step scores its own batch, for `trained`. */
  readonly stepScore?: HeadScore | undefined;
  /** Told what every step's own batch scored before the step, if there is a `stepScore`. */
  readonly trained?: ((ids: readonly string[], scores: Float32Array) => void) | undefined;
  /** Takes the place of plain gradient descent on each minibatch. */
  readonly update?: VarianceReduction | undefined;
  readonly clipNorm?: number | undefined;
  readonly weightDecay?: number;
  /** Told what successive gradients say about their noise; without it nothing is measured. */
  readonly noise?: NoiseScale | undefined;
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
  readonly #anchored: AnchoredSteps | undefined;
  readonly #lastGradient: Slots | undefined;
  #anchoredTo: Presample | undefined;
  /** What the samples of the last step's buffer weighed; 0 before the first. */
  #lastWeight = 0;

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
    const { score, stepScore, update, schema, clipNorm, weightDecay = 0 } = options;
    this.#lastGradient = options.noise && new Slots();
    const common = { optimizer, compilable, weightDecay, clipNorm, lastGradient: this.#lastGradient };
    this.#plainStep = weightedStep(head, common, false);
    this.#scoredStep = weightedStep(head, { ...common, score: stepScore ?? score }, true);
    this.#anchored = update && new AnchoredSteps(head, { ...common, schema, update, microBatchSize: 256 });
  }

  /**
   * Takes one step and disposes the minibatch.
   *
   * @param learningRate η of this step
   * @returns the weighted loss before the step, without the weight that its samples have for their bucket
   * @throws {LossError} when the loss is not finite; the parameters are spoilt then
   * @throws {LabelError} when a label lies outside the model's classes
   */
  async step(batch: Minibatch, learningRate: number): Promise<number> {
    const { gate, onCost, onScores, trained, noise: noiseScale } = this.#options;
    try {
      const begun = performance.now();
      if (batch.phase === 'uniform' || this.#anchored) checkLabels(this.#head, this.#binding, batch);
      const { loss, scores, noise } = await this.#take(batch, learningRate);
      onCost?.(batch.size, performance.now() - begun);
      if (!Number.isFinite(loss)) throw lossError(batch, loss);
      const { weight } = batch.presample;
      if (noise && this.#lastWeight > 0)
        noiseScale?.observe(
          noise[0]! / weight ** 2,
          noise[1]! / (weight * this.#lastWeight),
          batch.size * batch.drawTau ** 2,
        );
      this.#lastWeight = weight;
      if (scores) trained?.(batch.ids, scores);
      if (scores && batch.phase === 'uniform') {
        onScores?.(batch, scores);
        gate.observe(scores);
      }
      return loss / weight;
    } finally {
      batch.dispose();
    }
  }

  async #take(batch: Minibatch, learningRate: number): Promise<Taken> {
    const take = this.#stepFor(batch);
    this.optimizer.setLearningRate?.(learningRate);
    const { loss, scores, noise } = tf.tidy(() => {
      const feed = feedOf(this.#head.model, this.#binding, batch);
      return take(feed, tf.tensor1d(batch.weights), tf.scalar(learningRate)) as unknown as tf.TensorContainer;
    }) as unknown as ReturnType<WeightedStep>;
    try {
      const reads = [loss, ...scores, ...noise].map((tensor) => tensor.data<'float32'>());
      const [value, ...rest] = await Promise.all(reads);
      return { loss: value![0]!, scores: scores.length > 0 ? rest[0] : undefined, noise: rest[scores.length] };
    } finally {
      tf.dispose([loss, ...scores, ...noise]);
    }
  }

  #stepFor(batch: Minibatch): WeightedStep {
    const { stepScore } = this.#options;
    if (!this.#anchored) return batch.phase === 'uniform' || stepScore ? this.#scoredStep : this.#plainStep;
    if (this.#anchoredTo !== batch.presample) this.#anchored.anchor(batch.presample);
    this.#anchoredTo = batch.presample;
    return this.#anchored.step;
  }

  /** The parameters and what the optimizer remembers, by name: all that a checkpoint needs. @returns borrowed */
  tensors(): Record<string, tf.Tensor> {
    const weights = this.#head.model.weights.map((weight) => [`model/${weight.originalName}`, weight.read()] as const);
    const memory = { ...this.optimizer.slots(), ...this.#anchored?.slots() };
    const slots = Object.entries(memory).map(([name, slot]) => [`optimizer/${name}`, slot] as const);
    return { ...Object.fromEntries<tf.Tensor>([...weights, ...slots]), ...countersOf(this.#head.model) };
  }

  dispose(): void {
    this.optimizer.dispose();
    this.#anchored?.dispose();
    this.#lastGradient?.dispose();
  }
}

/** What a step left behind, read. */
interface Taken {
  readonly loss: number;
  readonly scores: Float32Array | undefined;
  readonly noise: Float32Array | undefined;
}

const lossError = (batch: Minibatch, loss: number): LossError =>
  new LossError(
    `Step ${batch.version + 1}: expected a finite loss, got ${loss} on samples ${batch.ids.slice(0, 5).join(', ')}${batch.size > 5 ? ', ...' : ''}. ` +
      'Lower the learning rate, clip gradients with `clipNorm`, or look for NaN in these samples.',
    { step: batch.version + 1, loss, ids: batch.ids },
  );
