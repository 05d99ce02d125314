import * as tf from '@tensorflow/tfjs';
import { LossError, ModelError } from '../errors.ts';
import type { HeadScore, VarianceReduction } from '../importance/scheme.ts';
import { bindColumns, checkLabels, feedOf, type Binding } from '../model/binding.ts';
import type { Head } from '../model/head.ts';
import { clocks, type Clock } from '../stream/clock.ts';
import type { Schema } from '../stream/columns.ts';
import type { Gate } from '../stream/gate.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import { withAverages, withRates, type AveragingOptimizer } from './optimizers/decorate.ts';
import { fromTfjs } from './optimizers/from-tfjs.ts';
import { Slots, type Optimizer } from './optimizers/optimizer.ts';
import type { NoiseScale } from '../resample/noise-scale.ts';
import { AnchoredSteps } from './variance-reduced.ts';
import { countersOf, restoreTensors } from './resume.ts';
import type { TensorData } from './safetensors.ts';
import { applyGradients, weightedStep, type WeightedStep } from './step.ts';
import { trainableVariables } from './trainable-variables.ts';
import type { Agreement } from './trainers/agreement.ts';
import { shareNothing } from './trainers/share-gradients.ts';

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
  /** What a weight's learning rate is multiplied with, by the weight's name. */
  readonly rateOf?: ((weight: string) => number) | undefined;
  /** Decay of a moving average of the weights. */
  readonly averaging?: number | undefined;
  /** Told what successive gradients say about their noise; without it nothing is measured. */
  readonly noise?: NoiseScale | undefined;
  /** Told how long a step took. */
  readonly onCost?: (samples: number, milliseconds: number) => void;
  /** What that is measured by. @default the wall's clock */
  readonly clock?: Clock;
  /** Done while a step is computed, where the engine does that in threads of its own; gives the milliseconds spent on data. */
  readonly meanwhile?: (() => Promise<number>) | undefined;
  /** Waits until a step is computed while the event loop turns: reading its results would let nobody in meanwhile. */
  readonly whenComputed?: (() => Promise<void>) | undefined;
  /** Told how much of that a step has hidden: it was computed for longer. */
  readonly onHidden?: (milliseconds: number) => void;
  /** What is agreed with other trainers of the same run. */
  readonly agreement?: Agreement | undefined;
  /** Told the scores of a uniform step's own batch. */
  readonly onScores?: (batch: Minibatch, scores: Float32Array) => void;
}

/** A result that is read sooner was there before it was asked for: reading alone takes some hundredths of this. */
const AT_ONCE_MS = 0.1;

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
  /** What the samples of the last step's buffer weighed; 0 before the first. */
  #lastWeight = 0;
  readonly #averaging: AveragingOptimizer | undefined;
  #steps = 0;

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
    const { optimizer: adapted, compilable } = fromTfjs(model.optimizer);
    const rated = options.rateOf ? withRates(adapted, options.rateOf) : adapted;
    this.#averaging = options.averaging === undefined ? undefined : withAverages(rated, options.averaging);
    const optimizer = this.#averaging ?? rated;
    this.optimizer = optimizer;
    const { score, stepScore, update, schema, clipNorm, weightDecay = 0, agreement } = options;
    this.#lastGradient = options.noise && new Slots();
    const common = { optimizer, compilable, weightDecay, clipNorm, lastGradient: this.#lastGradient };
    const together = { ...common, trainers: agreement?.trainers };
    this.#plainStep = weightedStep(head, together, false);
    this.#scoredStep = weightedStep(head, { ...together, score: stepScore ?? score }, true);
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
    const { gate, onCost, onScores, trained, noise: noiseScale, clock = clocks.wall, agreement } = this.#options;
    try {
      const begun = clock();
      if (batch.phase === 'uniform' || this.#anchored) checkLabels(this.#head, this.#binding, batch);
      const said = await agreement?.say(batch, learningRate);
      const { loss: own, scores, noise, heard, heldUp } = await this.#take(batch, learningRate, said);
      const loss = heard ? agreement!.hear(heard).loss : own;
      onCost?.(batch.size, clock() - begun - heldUp);
      if (!Number.isFinite(loss)) throw lossError(batch, loss, this.#steps + 1);
      this.#steps += 1;
      const { weight } = batch.presample;
      if (noise && this.#lastWeight > 0)
        noiseScale?.observe(
          noise[0]! / weight ** 2,
          noise[1]! / (weight * this.#lastWeight),
          (agreement?.trainers.world ?? 1) * batch.size * batch.drawTau ** 2,
        );
      this.#lastWeight = weight;
      if (scores) trained?.(batch.ids, scores);
      if (scores && batch.phase === 'uniform') {
        onScores?.(batch, scores);
        if (!agreement) gate.observe(scores); // else all trainers' τ was summed with the gradients
      }
      return loss / weight;
    } finally {
      batch.dispose();
    }
  }

  /**
   * Takes part in a step of the other trainers, having no samples left, and so has the same parameters after it.
   * @returns whether any trainer had a minibatch; if none had, or there are no others, there was no step
   */
  async idle(): Promise<boolean> {
    const { agreement, clipNorm, weightDecay = 0 } = this.#options;
    if (!agreement) return false;
    const said = await agreement.say(undefined, 0);
    const variables = trainableVariables(this.#head.model);
    const [heard, rate, ...means] = tf.tidy(() => {
      const shared = shareNothing(agreement.trainers, this.#head.model, tf.tensor1d(said));
      return [shared.heard, shared.rate, ...shared.trained.map(({ gradient }) => gradient)] as const;
    });
    try {
      const { batches } = agreement.hear(await heard.data<'float32'>());
      if (batches === 0) return false;
      const whole = variables.map((weight, i) => ({ ...weight, gradient: means[i]! }));
      tf.tidy(() => applyGradients({ optimizer: this.optimizer, clipNorm, weightDecay }, whole, rate));
      this.#steps += 1;
      return true;
    } finally {
      tf.dispose([heard, rate, ...means]);
    }
  }

  async #take(batch: Minibatch, learningRate: number, said: Float32Array | undefined): Promise<Taken> {
    const { meanwhile, whenComputed, onHidden, clock = clocks.wall } = this.#options;
    const take = this.#stepFor(batch);
    this.optimizer.setLearningRate?.(learningRate);
    const { loss, scores, noise, heard } = tf.tidy(() => {
      const feed = feedOf(this.#head.model, this.#binding, batch);
      const along = said && tf.tensor1d(said);
      return take(feed, tf.tensor1d(batch.weights), tf.scalar(learningRate), along) as unknown as tf.TensorContainer;
    }) as unknown as ReturnType<WeightedStep>;
    try {
      const begun = clock();
      const spent = (await meanwhile?.()) ?? 0;
      const [ready, asked] = [clock(), performance.now()];
      await whenComputed?.();
      const reads = [loss, ...scores, ...noise, ...heard].map((tensor) => tensor.data<'float32'>());
      const [value, ...rest] = await Promise.all(reads);
      const isHidden = performance.now() - asked > AT_ONCE_MS;
      if (isHidden) onHidden?.(spent);
      const [ownScores, ownNoise, sums] = [scores.length, noise.length, heard.length].map((count) =>
        count > 0 ? rest.shift() : undefined,
      );
      const heldUp = isHidden ? 0 : ready - begun;
      return { loss: value![0]!, scores: ownScores, noise: ownNoise, heard: sums, heldUp };
    } finally {
      tf.dispose([loss, ...scores, ...noise, ...heard]);
    }
  }

  #stepFor(batch: Minibatch): WeightedStep {
    const { stepScore } = this.#options;
    if (!this.#anchored) return batch.phase === 'uniform' || stepScore ? this.#scoredStep : this.#plainStep;
    if (batch.turn === 0) this.#anchored.anchor(batch.presample);
    return this.#anchored.step;
  }

  /** Puts the weights' averages in their place, or them back; nothing where none are kept. */
  swapAverages(): void {
    this.#averaging?.swap(trainableVariables(this.#head.model));
  }

  /** The parameters and what the optimizer remembers, by name: all that a checkpoint needs. @returns borrowed */
  tensors(): Record<string, tf.Tensor> {
    const weights = this.#head.model.weights.map((weight) => [`model/${weight.originalName}`, weight.read()] as const);
    const memory = [...named('optimizer', this.optimizer.slots()), ...named('anchored', this.#anchored?.slots())];
    return { ...Object.fromEntries<tf.Tensor>([...weights, ...memory]), ...countersOf(this.#head.model) };
  }

  /** Takes `tensors()` of an earlier run, before the first step. @throws {RunError} when they are another model's */
  restore(saved: { readonly optimizer: string; readonly tensors: Readonly<Record<string, TensorData>> }): void {
    restoreTensors(this.#head.model, { optimizer: this.optimizer, anchored: this.#anchored }, saved);
  }

  dispose(): void {
    this.optimizer.dispose();
    this.#anchored?.dispose();
    this.#lastGradient?.dispose();
  }
}

const named = (prefix: string, slots: Readonly<Record<string, tf.Tensor>> = {}) =>
  Object.entries(slots).map(([name, slot]) => [`${prefix}/${name}`, slot] as const);

/** What a step left behind, read. */
interface Taken {
  readonly loss: number;
  readonly scores: Float32Array | undefined;
  readonly noise: Float32Array | undefined;
  readonly heard: Float32Array | undefined;
  /** Milliseconds by which it took longer than to compute, for what was done meanwhile. */
  readonly heldUp: number;
}

const lossError = (batch: Minibatch, loss: number, step: number): LossError =>
  new LossError(
    `Step ${step}: expected a finite loss, got ${loss} on samples ${batch.ids.slice(0, 5).join(', ')}${batch.size > 5 ? ', ...' : ''}. ` +
      'Lower the learning rate, clip gradients with `clipNorm`, or look for NaN in these samples.',
    { step, loss, ids: batch.ids },
  );
