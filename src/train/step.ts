import * as tf from '@tensorflow/tfjs';
import { compile } from '../engine/compile.ts';
import type { Step, Tensors } from '../engine/engine.ts';
import { compileWithinTidy } from '../engine/within-tidy.ts';
import type { HeadScore } from '../importance/scheme.ts';
import type { Head } from '../model/head.ts';
import type { Feed } from '../model/binding.ts';
import type { Optimizer, Slots, Trained } from './optimizers/optimizer.ts';
import { meansOf, shareOf, sumAll } from './trainers/share-gradients.ts';
import type { Trainers } from './trainers/trainers.ts';
import { trainableVariables } from './trainable-variables.ts';

export interface WeightedStepOptions {
  readonly optimizer: Optimizer;
  /** Whether the step may be traced once and replayed. */
  readonly compilable: boolean;
  /** By what a step scores its own batch, where it is asked to. */
  readonly score?: HeadScore | undefined;
  /** The largest norm of the whole gradient; a larger one is scaled down to it. */
  readonly clipNorm?: number | undefined;
  /** Decoupled weight decay a step, before the learning rate: θ ← θ − η λ θ, for kernels and embeddings only. */
  readonly weightDecay: number;
  /** Keeps the last gradient, to tell the noise scale; without it the noise is not measured. */
  readonly lastGradient?: Slots | undefined;
  /** Averages gradients with other trainers. */
  readonly trainers?: Trainers | undefined;
}

/** What a step leaves behind; owned by the caller. */
export interface StepTensors {
  /** Weighted mean loss and penalties, a scalar. */
  readonly loss: tf.Scalar;
  /** The batch's scores before the step, [b]; none when they were not asked for. */
  readonly scores: readonly tf.Tensor1D[];
  /** |g|² and g · (the gradient of the step before), [2]; none when they were not asked for. */
  readonly noise: readonly tf.Tensor1D[];
  /** What all trainers said together; nothing without others. */
  readonly heard: readonly tf.Tensor1D[];
}

/** Takes one step on a weighted batch. @param said what this trainer tells the others, see `Agreement` */
export type WeightedStep = (
  feed: Feed,
  weights: tf.Tensor1D,
  learningRate: tf.Scalar,
  said?: tf.Tensor1D,
) => StepTensors;

/**
 * One step of weighted gradient descent on a model.
 *
 *     θ ← optimizer(θ, ∇ [1/b Σ_i w_i loss_i(θ) + penalties(θ)])          Katharopoulos & Fleuret 2018, Algorithm 1
 *
 * @param scored whether the step also gives its batch's scores, from the forward pass that it makes anyway
 */
export function weightedStep(head: Head, options: WeightedStepOptions, scored: boolean): WeightedStep {
  const { compilable, trainers } = options;
  const run = <Args extends readonly Tensors[], Result extends Tensors>(step: Step<Args, Result>) =>
    compilable ? compile(step, { later: !trainers }) : compileWithinTidy(step);
  const gradients = gradientsOf(head, scored ? options.score : undefined);

  if (!trainers) {
    const whole = run((learningRate: tf.Scalar, ...feed: FeedTensors) => {
      const { own, loss, scores } = gradients(...feed);
      return { loss, scores, noise: move(options, own, learningRate) };
    });
    return (feed, weights, learningRate) => ({ ...whole(learningRate, ...tensorsOf(feed, weights)), heard: [] });
  }

  const give = (said: tf.Tensor1D, ...feed: FeedTensors) => {
    const { own, loss, scores } = gradients(...feed);
    return { loss, scores, given: shareOf(trainers, head.model, own, { said, loss, scores }) };
  };
  const take = (sums: readonly tf.Tensor1D[]) => {
    const { trained, rate, heard } = meansOf(trainers, head.model, sums);
    return { noise: move(options, trained, rate), heard: [heard] };
  };
  if (trainers.sums !== 'between') {
    const whole = run((said: tf.Tensor1D, ...feed: FeedTensors) => {
      const { given, ...own } = give(said, ...feed);
      return { ...own, ...take(sumAll(trainers, given)) };
    });
    return (feed, weights, _, said) => whole(said!, ...tensorsOf(feed, weights));
  }
  const [first, second] = [run(give), run(take)];
  return (feed, weights, _, said) => {
    const { given, ...own } = first(said!, ...tensorsOf(feed, weights));
    const sums = sumAll(trainers, given);
    const taken = second(sums);
    tf.dispose([...given, ...sums]);
    return { ...own, ...taken };
  };
}

/** What a step computes on: inputs, targets, mask if there is one, weights. */
type FeedTensors = [
  inputs: readonly tf.Tensor[],
  targets: readonly tf.Tensor[],
  mask: readonly tf.Tensor[],
  weights: tf.Tensor1D,
];

const tensorsOf = ({ inputs, targets, mask }: Feed, weights: tf.Tensor1D): FeedTensors => [
  inputs,
  targets,
  mask ? [mask] : [],
  weights,
];

/** The gradient of the weighted loss, the loss, and the batch's scores if they are asked for. */
const gradientsOf =
  (head: Head, score: HeadScore | undefined) =>
  (...[inputs, targets, mask, weights]: FeedTensors) => {
    const weightsOfModel = trainableVariables(head.model);
    const scores: tf.Tensor1D[] = [];
    const { value, grads } = tf.variableGrads(
      () => {
        const z = head.forward(inputs, true);
        if (score) scores.push(tf.keep(score(head, z, targets, mask[0])));
        return weightedLoss(head, z, targets, mask[0], weights);
      },
      weightsOfModel.map(({ variable }) => variable),
    );
    const own = weightsOfModel.map((weight) => ({ ...weight, gradient: grads[weight.variable.name]! }));
    return { own, loss: value, scores };
  };

/** Takes the step, and measures the gradient's noise if it is asked for. */
function move(options: WeightedStepOptions, whole: Trained[], rate: tf.Scalar): tf.Tensor1D[] {
  const noise = options.lastGradient ? [compareGradients(whole, options.lastGradient)] : [];
  applyGradients(options, whole, rate);
  return noise;
}

/** Moves a model along its gradient: clipped, by the optimizer, with decay. Runs within the caller's `tf.tidy`. */
export function applyGradients(
  { optimizer, clipNorm, weightDecay }: Pick<WeightedStepOptions, 'optimizer' | 'clipNorm' | 'weightDecay'>,
  whole: Trained[],
  learningRate: tf.Scalar,
): void {
  const clipped = clip(whole, clipNorm);
  optimizer.apply(clipped, learningRate);
  if (weightDecay > 0) decay(clipped, tf.mul(learningRate, weightDecay));
}

/** 1/b Σ_i w_i loss_i + penalties, by the pre-activations z. */
function weightedLoss(
  head: Head,
  z: readonly tf.Tensor[],
  targets: readonly tf.Tensor[],
  mask: tf.Tensor | undefined,
  weights: tf.Tensor1D,
): tf.Scalar {
  const losses = head.perSampleLoss(z, targets, mask);
  return tf.add<tf.Scalar>(tf.mean(tf.mul(losses, weights)), penalties(head.model));
}

/** 1/b Σ_i w_i loss_i(θ) + penalties(θ), through the network. */
export const lossOf = (head: Head, feed: Feed, weights: tf.Tensor1D): tf.Scalar =>
  weightedLoss(head, head.forward(feed.inputs, true), feed.targets, feed.mask, weights);

/** 1/b Σ_i w_i loss_i(θ), through the network. */
export const dataLossOf = (head: Head, { inputs, targets, mask }: Feed, weights: tf.Tensor1D): tf.Scalar =>
  tf.mean(tf.mul(head.perSampleLoss(head.forward(inputs, true), targets, mask), weights));

/** Runs a step as it is, within a tidy. */
export const untraced =
  <Args extends unknown[], Result extends object>(step: (...args: Args) => Result) =>
  (...args: Args): Result =>
    tf.tidy(() => step(...args) as unknown as tf.TensorContainer) as unknown as Result;

/** The sum of the layers' regularisers; 0 without any. */
const penalties = (model: tf.LayersModel): tf.Scalar => {
  const losses = (model as unknown as { calculateLosses(): tf.Scalar[] }).calculateLosses(); // not in the public types
  return losses.length === 0 ? tf.scalar(0) : tf.addN(losses);
};

/** |g|² and g · g_before, and remembers g. @returns [2] */
function compareGradients(trained: readonly Trained[], memory: Slots): tf.Tensor1D {
  const parts = trained.map(({ name, variable, gradient }) => {
    const before = memory.like(variable, name, 'lastGradient');
    const both = tf.stack([tf.sum(tf.square(gradient)), tf.sum(tf.mul(gradient, before))]);
    before.assign(tf.clone(gradient));
    return both;
  });
  return tf.addN(parts) as tf.Tensor1D;
}

/** Scales the whole gradient down to norm `clipNorm`, if it is longer. */
function clip(trained: Trained[], clipNorm?: number): Trained[] {
  if (clipNorm === undefined) return trained;
  const norm = tf.sqrt(tf.addN(trained.map(({ gradient }) => tf.sum(tf.square(gradient)))));
  const scale = tf.divNoNan(clipNorm, tf.maximum(norm, clipNorm));
  return trained.map((weight) => ({ ...weight, gradient: tf.mul(weight.gradient, scale) }));
}

/** Biases and normalisation's scales are left alone: they have one axis. */
function decay(trained: readonly Trained[], rate: tf.Tensor): void {
  for (const { variable } of trained) if (variable.rank > 1) variable.assign(tf.sub(variable, tf.mul(variable, rate)));
}
