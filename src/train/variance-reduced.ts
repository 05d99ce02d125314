import * as tf from '@tensorflow/tfjs';
import { compile } from '../engine/compile.ts';
import type { VarianceReduction } from '../importance/scheme.ts';
import { bindColumns, feedOf, type Binding, type Feed } from '../model/binding.ts';
import type { Head } from '../model/head.ts';
import type { Schema } from '../stream/columns.ts';
import type { Presample } from '../stream/presample.ts';
import { Slots } from './optimizers/optimizer.ts';
import { dataLossOf, lossOf, untraced, type WeightedStep, type WeightedStepOptions } from './step.ts';
import { trainableVariables } from './trainable-variables.ts';

export interface AnchoredStepsOptions extends WeightedStepOptions {
  readonly schema: Schema;
  readonly update: VarianceReduction;
  /** Samples in one micro-batch of the anchor's gradient; bounds its memory. */
  readonly microBatchSize: number;
}

type Tensors = readonly tf.Tensor[];
type Named = { readonly name: string; readonly variable: tf.Variable };

/**
 * Steps of SVRG, SCSG and Katyusha on a stream, their noise taken out by an anchor: see
 * src/importance/variance-reduced.ts for the formulas. The anchor's model is the run's own with other weights, set for as
 * long as a gradient there takes. Penalties of layers are exact in both places, and so are not anchored.
 */
export class AnchoredSteps {
  readonly step: WeightedStep;
  readonly #head: Head;
  readonly #options: AnchoredStepsOptions;
  readonly #binding: Binding;
  readonly #memory = new Slots();
  readonly #addMicroBatch;

  constructor(head: Head, options: AnchoredStepsOptions) {
    this.#head = head;
    this.#options = options;
    this.#binding = bindColumns(head.model, options.schema);
    this.#addMicroBatch = compile((inputs: Tensors, targets: Tensors, mask: Tensors, weights: tf.Tensor1D) =>
      this.#accumulate(feedFrom(inputs, targets, mask), weights),
    );
    const take = (inputs: Tensors, targets: Tensors, mask: Tensors, weights: tf.Tensor1D, learningRate: tf.Scalar) =>
      this.#take(feedFrom(inputs, targets, mask), weights, learningRate);
    const run = options.compilable ? compile(take) : untraced(take);
    this.step = (feed, weights, learningRate) =>
      run(feed.inputs, feed.targets, feed.mask ? [feed.mask] : [], weights, learningRate);
  }

  /** Sets the anchor: the parameters as they are, and the mean gradient there over a presample. */
  anchor(presample: Presample): void {
    for (const one of this.#trained())
      tf.tidy(() => {
        // A copy of its own: a clone would share the variable's data, and an engine might take both for one input.
        this.#anchorOf(one).assign(tf.add(one.variable, 0));
        this.#gradientOf(one).assign(tf.zerosLike(one.variable));
      });
    const { microBatchSize } = this.#options;
    for (let begin = 0; begin < presample.size; begin += microBatchSize)
      this.#anchorTo(presample, begin, Math.min(microBatchSize, presample.size - begin));
  }

  /** What it remembers, by name. @returns borrowed */
  slots(): Readonly<Record<string, tf.Variable>> {
    return this.#memory.all();
  }

  /** Takes the values of `slots()` of an earlier run, before the first step. */
  restore(slots: Readonly<Record<string, tf.Tensor>>): void {
    this.#memory.restore(slots);
  }

  dispose(): void {
    this.#memory.dispose();
  }

  #anchorTo(presample: Presample, begin: number, rows: number): void {
    tf.tidy(() => {
      const feed = feedOf(this.#head.model, this.#binding, presample);
      const part = (value: tf.Tensor) => (rows === presample.size ? value : value.slice(begin, rows));
      // The loss is a mean over the rows of the micro-batch; what is wanted is their part in a mean over all.
      const weights = tf.mul<tf.Tensor1D>(tf.ones([rows]), rows / presample.size);
      this.#addMicroBatch(feed.inputs.map(part), feed.targets.map(part), feed.mask ? [part(feed.mask)] : [], weights);
    });
  }

  #accumulate(feed: Feed, weights: tf.Tensor1D): tf.Tensor {
    const { value, grads } = this.#gradients(() => dataLossOf(this.#head, feed, weights));
    for (const one of this.#trained()) {
      const sum = this.#gradientOf(one);
      sum.assign(tf.add(sum, grads[one.variable.name]!));
    }
    return value;
  }

  #take(feed: Feed, weights: tf.Tensor1D, learningRate: tf.Scalar) {
    const { update, optimizer } = this.#options;
    const all = this.#trained();
    if (update.kind === 'katyusha') this.#couple(all, update.weights);
    const here = this.#gradients(() => lossOf(this.#head, feed, weights));
    const parameters = all.map(({ variable }) => tf.clone(variable));
    for (const one of all) one.variable.assign(tf.clone(this.#anchorOf(one)));
    const there = this.#gradients(() => dataLossOf(this.#head, feed, weights));
    all.forEach(({ variable }, i) => variable.assign(parameters[i]!));
    const corrected = all.map((one) => {
      const { name } = one.variable;
      return { ...one, gradient: tf.add(tf.sub(here.grads[name]!, there.grads[name]!), this.#gradientOf(one)) };
    });
    if (update.kind === 'katyusha') this.#katyushaStep(corrected, learningRate, update.weights[0]);
    else optimizer.apply(corrected, learningRate);
    return { loss: here.value, scores: [] as tf.Tensor1D[], noise: [] as tf.Tensor1D[], heard: [] as tf.Tensor1D[] };
  }

  /** θ = τ₁ z + τ₂ θ̃ + (1 − τ₁ − τ₂) y, into the variables, which hold y. */
  #couple(all: readonly Named[], [t1, t2]: readonly [number, number]): void {
    for (const one of all) {
      const y = tf.mul(one.variable, 1 - t1 - t2);
      const z = tf.mul(this.#momentumOf(one), t1);
      one.variable.assign(tf.add(y, tf.add(z, tf.mul(this.#anchorOf(one), t2))));
    }
  }

  /** z ← z − (η / τ₁) g;   y ← θ − η g. */
  #katyushaStep(all: readonly (Named & { gradient: tf.Tensor })[], eta: tf.Scalar, t1: number): void {
    for (const { gradient, ...one } of all) {
      const z = this.#momentumOf(one);
      z.assign(tf.sub(z, tf.mul(gradient, tf.div(eta, t1))));
      one.variable.assign(tf.sub(one.variable, tf.mul(gradient, eta)));
    }
  }

  #trained(): Named[] {
    return trainableVariables(this.#head.model);
  }

  #gradients(loss: () => tf.Scalar) {
    return tf.variableGrads(
      loss,
      this.#trained().map(({ variable }) => variable),
    );
  }

  #anchorOf({ name, variable }: Named): tf.Variable {
    return this.#memory.like(variable, name, 'anchor');
  }

  #gradientOf({ name, variable }: Named): tf.Variable {
    return this.#memory.like(variable, name, 'anchorGradient');
  }

  /** Katyusha's z starts where the parameters do. */
  #momentumOf({ name, variable }: Named): tf.Variable {
    return this.#memory.like(variable, name, 'momentum', variable);
  }
}

const feedFrom = (inputs: Tensors, targets: Tensors, [mask]: Tensors): Feed => ({
  inputs,
  targets,
  ...(mask ? { mask } : {}),
});
