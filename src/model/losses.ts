import * as tf from '@tensorflow/tfjs';
import { ownCrossEntropy } from '../engine/cross-entropy.ts';
import { onceDifferentiable } from '../engine/once-differentiable.ts';
import { ShapeError } from '../errors.ts';
import type { LossFunction } from './compiled.ts';

/**
 * Losses by the pre-activation z of a model's head, one value a sample, and the squared norm of each one's gradient with
 * respect to z, from which the upper bound is made.
 *
 * Legend: B samples, S positions a sample (time steps; 1 for a classifier), C classes or units, N = B · S.
 *
 * A sample's loss is the mean over its positions, weighted by the mask:
 *
 *     loss_i = Σ_s m_is l_is / Σ_s m_is
 *
 * An output with one position a sample (the class of a whole sequence) has no steps to weigh: its mask says nothing.
 */
export interface HeadLoss {
  /** What it is called in messages. */
  readonly name: string;
  /** Whether targets are class numbers in [0, C). */
  readonly sparse: boolean;
  /** The loss of each sample. @returns [B], owned by the caller */
  perSample(z: tf.Tensor, y: tf.Tensor, mask?: tf.Tensor): tf.Tensor1D;
  /** ‖∂loss_i/∂z_i‖² over every axis but the first. @returns [B], owned by the caller */
  squaredGradientNorm(z: tf.Tensor, y: tf.Tensor, mask?: tf.Tensor): tf.Tensor1D;
}

/**
 * A loss that is a sum over positions of a function of that position's z and target, with a gradient in closed form.
 * A target is a row of numbers, [N, C], or a class number, [N].
 */
interface PositionLoss<Target extends tf.Tensor> {
  readonly name: string;
  readonly sparse: boolean;
  /** Targets of any shape and type by position. */
  readonly targets: (y: tf.Tensor, classes: number) => Target;
  /** @returns l [N] */
  loss(z: tf.Tensor2D /* [N, C] */, target: Target): tf.Tensor1D;
  /** ∂l/∂z. @returns [N, C] */
  gradient(z: tf.Tensor2D /* [N, C] */, target: Target): tf.Tensor2D;
}

const asRows = (y: tf.Tensor, classes: number): tf.Tensor2D => tf.reshape(tf.cast(y, 'float32'), [-1, classes]);
const asClasses = (y: tf.Tensor): tf.Tensor1D => tf.reshape(tf.cast(y, 'int32'), [-1]);

/**
 * Softmax cross-entropy. A target that sums to w weighs its position with w.
 *
 *     l = w log Σ_c exp(z_c) − Σ_c t_c z_c,    ∂l/∂z = w softmax(z) − t,    w = Σ_c t_c
 */
const softmaxPosition: PositionLoss<tf.Tensor2D> = {
  name: 'softmax cross-entropy',
  sparse: false,
  targets: asRows,
  loss: (z, target) => {
    const crossEntropy = tf.customGrad((logits, targets, save) => {
      const [at, wanted] = [logits as tf.Tensor2D, targets as tf.Tensor2D]; // customGrad types its inputs loosely
      const weight = tf.sum(wanted, 1, true);
      const normalizer = tf.mul(tf.logSumExp(at, 1), tf.squeeze(weight, [1]));
      const value = tf.sub(normalizer, tf.sum(tf.mul(wanted, at), 1));
      (save as tf.GradSaveFunc)([tf.mul(tf.softmax(at), weight), wanted]);
      return { value, gradFunc: softmaxGradient };
    });
    return crossEntropy(z, target) as tf.Tensor1D;
  },
  gradient: (z, target) => tf.sub(tf.mul(tf.softmax(z), tf.sum(target, 1, true)), target),
};

/** dy (w softmax(z) − t) for z, and none for the target. */
const softmaxGradient = (dy: tf.Tensor, [probabilities, target]: tf.Tensor[]): tf.Tensor[] =>
  onceDifferentiable('The softmax cross-entropy', [dy, probabilities!, target!], () => [
    tf.mul(tf.sub(probabilities!, target!), tf.expandDims(dy, 1)),
    tf.zerosLike(target!),
  ]);

/** The same of class numbers: t is a one-hot row. An engine may have one operation for the loss and its gradient. */
const sparseSoftmaxPosition: PositionLoss<tf.Tensor1D> = {
  name: 'sparse softmax cross-entropy',
  sparse: true,
  targets: asClasses,
  loss: (z, labels) => ownCrossEntropy()?.(z, labels).losses ?? softmaxPosition.loss(z, oneHot(z, labels)),
  gradient: (z, labels) => ownCrossEntropy()?.(z, labels).slopes ?? softmaxPosition.gradient(z, oneHot(z, labels)),
};

const oneHot = (z: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor2D =>
  tf.cast(tf.oneHot(labels, z.shape[1]), 'float32') as tf.Tensor2D;

/**
 * Sigmoid cross-entropy, the mean over C independent binary outputs.
 *
 *     l = 1/C Σ_c max(z_c, 0) − z_c t_c + log(1 + exp(−|z_c|)),    ∂l/∂z = (sigmoid(z) − t) / C
 */
const sigmoidPosition: PositionLoss<tf.Tensor2D> = {
  name: 'sigmoid cross-entropy',
  sparse: false,
  targets: asRows,
  loss: (z, target) => tf.mean(tf.add(tf.sub(tf.relu(z), tf.mul(z, target)), tf.log1p(tf.exp(tf.neg(tf.abs(z))))), 1),
  gradient: (z, target) => tf.div(tf.sub(tf.sigmoid(z), target), z.shape[1]),
};

/** Squared error, the mean over C units: l = 1/C Σ_c (z_c − t_c)², ∂l/∂z = 2 (z − t) / C. */
const squaredErrorPosition: PositionLoss<tf.Tensor2D> = {
  name: 'mean squared error',
  sparse: false,
  targets: asRows,
  loss: (z, target) => tf.mean(tf.squaredDifference(z, target), 1),
  gradient: (z, target) => tf.mul(tf.sub(z, target), 2 / z.shape[1]),
};

const closedForm = <Target extends tf.Tensor>(position: PositionLoss<Target>): HeadLoss => ({
  name: position.name,
  sparse: position.sparse,
  perSample: (z, y, mask) =>
    tf.tidy(() => {
      const { flat, target } = flatten(position, z, y);
      return weightedMean(split(position.loss(flat, target), z.shape[0]), mask);
    }),
  squaredGradientNorm: (z, y, mask) =>
    tf.tidy(() => {
      const { flat, target } = flatten(position, z, y);
      const squares = tf.sum(tf.square(position.gradient(flat, target)), 1); // [N]
      return weightedSquares(split(squares, z.shape[0]), mask);
    }),
});

export const softmaxCrossEntropy = closedForm(softmaxPosition);
export const sparseSoftmaxCrossEntropy = closedForm(sparseSoftmaxPosition);
export const sigmoidCrossEntropy = closedForm(sigmoidPosition);
export const squaredError = closedForm(squaredErrorPosition);

/** Any other loss: differentiated with respect to z only, never through the network. */
export const anyLoss = (name: string, lossOf: LossFunction, activate: (z: tf.Tensor) => tf.Tensor): HeadLoss => {
  const perSample: HeadLoss['perSample'] = (z, y, mask) =>
    tf.tidy(() => {
      const predicted = activate(z);
      return weightedMean(split(lossOf(likePrediction(y, predicted), predicted), z.shape[0]), mask);
    });
  return {
    name,
    sparse: false,
    perSample,
    squaredGradientNorm: (z, y, mask) =>
      tf.tidy(() => {
        const gradient = tf.grad((at: tf.Tensor) => tf.sum(perSample(at, y, mask)))(z); // as z
        return tf.sum(tf.square(split(gradient, z.shape[0])), 1);
      }),
  };
};

/**
 * A target in the shape of what is predicted, where both have as many numbers: functions of tfjs would hold the one number
 * of each sample, [B], against those of all samples, [B, 1].
 */
export const likePrediction = (y: tf.Tensor, predicted: tf.Tensor): tf.Tensor =>
  y.size === predicted.size && y.rank !== predicted.rank ? tf.reshape(y, predicted.shape) : y;

/** [B, ...S, C] -> [N, C], and the target likewise. */
function flatten<Target extends tf.Tensor>(
  position: PositionLoss<Target>,
  z: tf.Tensor,
  y: tf.Tensor,
): { flat: tf.Tensor2D; target: Target } {
  const classes = z.rank === 1 ? 1 : z.shape.at(-1)!;
  return { flat: tf.reshape(z, [-1, classes]), target: position.targets(y, classes) };
}

/** Values a position, [N] or [B, ...] -> [B, S]. */
const split = (values: tf.Tensor, samples: number): tf.Tensor2D => tf.reshape(values, [samples, -1]);

/** Whether a mask is about these positions: one of several steps says nothing of a sample's only value. */
const weighs = (values: tf.Tensor2D /* [B, S] */, mask?: tf.Tensor): mask is tf.Tensor =>
  mask !== undefined && (values.shape[1] > 1 || mask.size === values.size);

/** Σ_s m_s l_s / Σ_s m_s. @returns [B] */
export const weightedMean = (values: tf.Tensor2D /* [B, S] */, mask?: tf.Tensor): tf.Tensor1D =>
  weighs(values, mask) ? tf.sum(tf.mul(values, shares(values, mask)), 1) : tf.mean(values, 1);

/** Σ_s (m_s / Σ m)² q_s. @returns [B] */
const weightedSquares = (squares: tf.Tensor2D /* [B, S] */, mask?: tf.Tensor): tf.Tensor1D =>
  weighs(squares, mask)
    ? tf.sum(tf.mul(squares, tf.square(shares(squares, mask))), 1)
    : tf.div(tf.sum(squares, 1), squares.shape[1] ** 2);

/** Each position's share of its sample's mask; a sample that is masked wholly has none. @returns [B, S] */
function shares(values: tf.Tensor2D, mask: tf.Tensor): tf.Tensor2D {
  if (mask.size !== values.size)
    throw new ShapeError(
      `Loss: expected a mask of ${values.shape[1]} positions a sample, one for each loss, got [${mask.shape.slice(1).join(', ')}]. Give \`mask\` the shape of the sequence that the model answers.`,
      { expected: values.shape, got: mask.shape },
    );
  const weights = tf.cast(tf.reshape(mask, values.shape), 'float32');
  return tf.divNoNan(weights, tf.sum(weights, 1, true));
}
