import * as tf from '@tensorflow/tfjs';
import type { Trained } from '../optimizers/optimizer.ts';
import { says, type measures } from './agreement.ts';
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
  /** What all said and measured, summed, [s + 3]. */
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
  const spoken = tf.concat<tf.Tensor1D>([said, measured(tf.mul(loss, count), scores)]);
  const { means, heard } = meansInBuckets(trainers, values, { count, spoken });
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

/** What is known within the step alone, as `measures` has it: the loss, and τ of a uniform step's own batch. */
function measured(loss: tf.Scalar, [own]: readonly tf.Tensor1D[]): tf.Tensor1D {
  const parts: Record<Exclude<keyof typeof measures, 'size'>, tf.Scalar> = {
    loss,
    tau: own ? tauOf(own) : tf.scalar(0),
    taus: tf.scalar(own ? 1 : 0),
  };
  return tf.stack([parts.loss, parts.tau, parts.taus]).as1D();
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

/**
 * The means of values over trainers, each weighing `count`, and the sum of what they say, which goes along in the last
 * bucket. Buckets are whole from their concatenation to their division: few operations cost less than many small ones.
 */
function meansInBuckets(
  trainers: Trainers,
  values: readonly tf.Tensor[],
  { count, spoken }: { readonly count: tf.Scalar; readonly spoken: tf.Tensor1D },
): { readonly means: tf.Tensor[]; readonly heard: tf.Tensor1D } {
  const buckets = bucketsOf(values.map(({ size }) => size)).map(([first, end]) => values.slice(first, end));
  const sums = buckets.map((members, bucket) => {
    const weighed = tf.mul(tf.concat(members.map((member) => member.flatten())), count);
    const isLast = bucket === buckets.length - 1;
    return trainers.sum(isLast ? tf.concat([weighed, spoken]) : weighed, FIRST_INSTANCE + bucket).as1D();
  });
  const last = sums.at(-1)!; // a model that is trained has weights
  const heard = last.slice(last.size - spoken.size, spoken.size);
  const total = heard.slice(says.count, 1).asScalar();
  const means = buckets.flatMap((members, bucket) => {
    const sizes = members.map(({ size }) => size);
    const size = sizes.reduce((sum, own) => sum + own, 0);
    const flat = tf.div<tf.Tensor1D>(sums[bucket]!.slice(0, size), total);
    return tf.split(flat, sizes).map((part, i) => part.reshape(members[i]!.shape));
  });
  return { means, heard };
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
