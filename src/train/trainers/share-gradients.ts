import * as tf from '@tensorflow/tfjs';
import type { Trained } from '../optimizers/optimizer.ts';
import { trainableVariables } from '../trainable-variables.ts';
import { measures, says } from './agreement.ts';
import type { Trainers } from './trainers.ts';

/** Numbers in one sum at most, 32 MiB: the next bucket's copy overlaps with this one's way. A guess. */
const BUCKET_SIZE = 2 ** 23;

/** Sums of gradients are numbered from here on. */
const FIRST_INSTANCE = 100;

/** What goes along with the gradients. */
export interface Along {
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
 * What a trainer gives to the sums. Averages gradients over trainers, each counting for the samples of the corpus that its
 * minibatch stands for:
 *
 *     ∇ = Σ_r c_r ∇_r / Σ_r c_r          c_r: the samples of r's presample, 0 for a trainer that has none left
 *
 * Each ∇_r is an unbiased estimate of the mean over its presample, so ∇ is one of the mean over all of them. Moving
 * averages (of batch normalisation) are averaged likewise. Everything lies flat, one after the other, in buckets, which
 * are whole from their concatenation to their division: few operations cost less than many small ones.
 *
 * @returns a tensor to sum for each bucket; what is said goes along in the last
 */
export function shareOf(
  trainers: Trainers,
  model: tf.LayersModel,
  own: readonly Trained[],
  { said, loss, scores }: Along,
): tf.Tensor1D[] {
  const count = said.slice(says.count, 1).asScalar();
  const values = [...own.map(({ gradient }) => gradient), ...movingAverages(model)];
  const spoken = tf.concat<tf.Tensor1D>([said, measured(tf.mul(loss, count), scores)]);
  const buckets = bucketsFor(trainers, values);
  return buckets.map(([first, end], bucket) => {
    const members = values.slice(first, end);
    const weighed = tf.mul<tf.Tensor1D>(tf.concat(members.map((member) => member.flatten())), count);
    return bucket === buckets.length - 1 ? tf.concat<tf.Tensor1D>([weighed, spoken]) : weighed;
  });
}

/** The sums over all trainers of what each gives. */
export const sumAll = (trainers: Trainers, given: readonly tf.Tensor1D[]): tf.Tensor1D[] =>
  given.map((bucket, i) => trainers.sum(bucket, FIRST_INSTANCE + i).as1D());

/** What the sums say: the means of gradients, of moving averages, which take their place, and of what was said. */
export function meansOf(trainers: Trainers, model: tf.LayersModel, sums: readonly tf.Tensor1D[]): Shared {
  const weights = trainableVariables(model);
  const averages = movingAverages(model);
  const values = [...weights.map(({ variable }) => variable), ...averages];
  const last = sums.at(-1)!; // a model that is trained has weights
  const spoken = says.checksums + 2 * trainers.world + measures.size;
  const heard = last.slice(last.size - spoken, spoken);
  const total = heard.slice(says.count, 1).asScalar();
  const means = bucketsFor(trainers, values).flatMap(([first, end], bucket) => {
    const members = values.slice(first, end);
    const sizes = members.map(({ size }) => size);
    const size = sizes.reduce((sum, own) => sum + own, 0);
    const flat = tf.div<tf.Tensor1D>(sums[bucket]!.slice(0, size), total);
    return tf.split(flat, sizes).map((part, i) => part.reshape(members[i]!.shape));
  });
  for (const [i, average] of averages.entries()) average.assign(means[weights.length + i]!);
  return {
    trained: weights.map((weight, i) => ({ ...weight, gradient: means[i]! })),
    heard,
    rate: tf.div(heard.slice(says.rate, 1), heard.slice(says.batches, 1)).asScalar(),
  };
}

/** The same for a trainer that has no samples left: it gives nothing and takes what the others have. */
export function shareNothing(trainers: Trainers, model: tf.LayersModel, said: tf.Tensor1D): Shared {
  const own = trainableVariables(model).map((weight) => ({ ...weight, gradient: tf.zerosLike(weight.variable) }));
  const given = shareOf(trainers, model, own, { said, loss: tf.scalar(0), scores: [] });
  return meansOf(trainers, model, sumAll(trainers, given));
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

/** Within a step several buckets overlap, the one's copy with the other's way; the host sums all at once. */
const bucketsFor = ({ sums }: Trainers, values: readonly tf.Tensor[]) =>
  bucketsOf(
    values.map(({ size }) => size),
    sums === 'between' ? Infinity : BUCKET_SIZE,
  );

/** Cuts a row of sizes into runs of at most a bucket, or of one that is larger. @returns [first, end) of each */
export function bucketsOf(sizes: readonly number[], most: number): [first: number, end: number][] {
  const buckets: [number, number][] = [];
  let held = 0;
  for (const [i, size] of sizes.entries()) {
    if (i === 0 || held + size > most) {
      buckets.push([i, i]);
      held = 0;
    }
    buckets.at(-1)![1] = i + 1;
    held += size;
  }
  return buckets;
}
