import * as tf from '@tensorflow/tfjs';
import type { Trained } from '../optimizers/optimizer.ts';
import { says } from './agreement.ts';
import type { Trainers } from './trainers.ts';

/** Numbers in one sum at most, 32 MiB: the next bucket's copy overlaps with this one's way. A guess. */
const BUCKET_SIZE = 2 ** 23;

/** Sums of gradients are numbered from here on. */
const FIRST_INSTANCE = 100;

/** What goes along with the gradients. */
interface Along {
  /** What this trainer says, [s]: see `says`. */
  readonly said: tf.Tensor1D;
  readonly loss: tf.Scalar;
  /** A uniform step's own scores, [b], if it has any. */
  readonly scores: readonly tf.Tensor1D[];
}

export interface Shared {
  readonly trained: Trained[];
  /** What all said, summed, [s]. */
  readonly heard: tf.Tensor1D;
  /** The mean of the trainers' learning rates: with it all take the same step. */
  readonly rate: tf.Scalar;
}

/**
 * Averages gradients over trainers, each counting for the samples of the corpus that its minibatch stands for:
 *
 *     ∇ = Σ_r c_r ∇_r / Σ_r c_r          c_r: the samples of r's presample, 0 for a trainer that has none left
 *
 * Each ∇_r is an unbiased estimate of the mean over its presample, so ∇ is one of the mean over all of them. Moving
 * averages (of batch normalisation) are averaged likewise. Everything lies flat, one after the other, in buckets.
 */
export function shareGradients(
  trainers: Trainers,
  model: tf.LayersModel,
  own: readonly Trained[],
  { said, loss, scores }: Along,
): Shared {
  const count = said.slice(says.count, 1).asScalar();
  const averages = movingAverages(model);
  const values = [...own.map(({ gradient }) => gradient), ...averages];
  const spoken = tf.add<tf.Tensor1D>(said, measured(said.size, tf.mul(loss, count), scores));
  const sums = sumInBuckets(trainers, [...values.map((value) => tf.mul(value, count)), spoken]);
  const heard = sums.at(-1)!.as1D();
  const total = heard.slice(says.count, 1).asScalar();
  const means = sums.slice(0, -1).map((sum) => tf.div(sum, total));
  for (const [i, average] of averages.entries()) average.assign(means[own.length + i]!);
  return {
    trained: own.map((weight, i) => ({ ...weight, gradient: means[i]! })),
    heard,
    rate: tf.div(heard.slice(says.rate, 1), heard.slice(says.batches, 1)).asScalar(),
  };
}

/** The same for a trainer that has no samples left: it gives nothing and takes what the others have. */
export function shareNothing(trainers: Trainers, model: tf.LayersModel, own: Trained[], said: tf.Tensor1D): Shared {
  return shareGradients(trainers, model, own, { said, loss: tf.scalar(0), scores: [] });
}

/** What is known within the step alone: the loss, and τ of a uniform step's own batch. */
function measured(size: number, loss: tf.Scalar, scores: readonly tf.Tensor1D[]): tf.Tensor1D {
  const [own] = scores;
  const parts: tf.Tensor[] = Array.from({ length: size }, () => tf.scalar(0));
  parts[says.loss] = loss;
  if (own) [parts[says.tau], parts[says.taus]] = [tauOf(own), tf.scalar(1)];
  return tf.stack(parts.map((part) => part.asScalar())).as1D();
}

/** τ = max(1, sqrt(b Σ s²) / Σ s), and 1 where all are 0: see resample/tau.ts. */
const tauOf = (scores: tf.Tensor1D): tf.Scalar =>
  tf.maximum(1, tf.divNoNan(tf.sqrt(tf.mul(scores.size, tf.sum(tf.square(scores)))), tf.sum(scores)));

/** What layers that train change beside their weights. */
const movingAverages = (model: tf.LayersModel): tf.Variable[] =>
  model.layers
    .filter((layer) => layer.trainable)
    .flatMap((layer) => layer.nonTrainableWeights)
    .map((weight) => weight.read() as tf.Variable) // a layer's weight is a variable
    .filter(({ dtype }) => dtype === 'float32');

function sumInBuckets(trainers: Trainers, tensors: readonly tf.Tensor[]): tf.Tensor[] {
  return bucketsOf(tensors.map(({ size }) => size)).flatMap(([first, end], bucket) => {
    const members = tensors.slice(first, end);
    const flat = tf.concat(members.map((tensor) => tensor.flatten()));
    const summed = trainers.sum(flat, FIRST_INSTANCE + bucket);
    const parts = tf.split(
      summed,
      members.map(({ size }) => size),
    );
    return parts.map((part, i) => part.reshape(members[i]!.shape));
  });
}

/** Cuts a row of sizes into runs of at most a bucket, or of one that is larger. @returns [first, end) of each */
export function bucketsOf(sizes: readonly number[], most = BUCKET_SIZE): [first: number, end: number][] {
  const buckets: [number, number][] = [];
  let held = Infinity;
  for (const [i, size] of sizes.entries()) {
    if (held + size > most) {
      buckets.push([i, i]);
      held = 0;
    }
    buckets.at(-1)![1] = i + 1;
    held += size;
  }
  return buckets;
}
