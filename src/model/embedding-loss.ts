import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { compiledParts, type LossFunction } from './compiled.ts';

/** Which negatives an anchor is held against. */
export type Negatives = 'all' | 'hardest' | 'semi-hard' | 'distance-weighted';

export const TripletLossOptions = z.strictObject({
  /** By how much a negative must lie further off than a positive, α. @default 0.2 – Schroff et al. 2015 */
  margin: z.number().positive().default(0.2),
  /** A scheme of the same name sets it for its run. @default 'all' */
  negatives: z.enum(['all', 'hardest', 'semi-hard', 'distance-weighted']).default('all'),
  /** Distances below it count as this in the density, so that no weight grows without bound. @default 0.5 – Wu et al. */
  cutoff: z.number().gt(0).lt(1.4).default(0.5),
});

export const MarginLossOptions = TripletLossOptions.extend({
  /** How far off a positive may lie, and a negative must, α aside: β in (0, 2). @default 1.2 – Wu et al. */
  boundary: z.number().gt(0).lt(2).default(1.2),
});

/** A loss of pairs or triplets, and which negatives it takes. */
export type TripletLoss = LossFunction & { negatives: Negatives; readonly isTripletLoss: true };

/** A model's loss, if it is one of pairs or triplets: then a sample has no loss of its own. */
export function tripletLossOf(model: tf.LayersModel): TripletLoss | undefined {
  const [first] = [compiledParts(model).loss].flat();
  return typeof first === 'function' && 'isTripletLoss' in first ? (first as TripletLoss) : undefined;
}

/** From here on negatives are not drawn by `distance-weighted`: they are far enough. Wu et al. 2017's code. */
const farthest = 1.4;

/**
 * A triplet loss for embeddings: of each sample of the minibatch as an anchor, the mean over its positives (the others
 * of its class) of how far they lie beyond a negative less the margin.
 *
 *     loss_i = mean_p Σ_n q(n | i) max(0, d_ip − d_in + α),   d the distance on the unit sphere
 *
 * `negatives` says what q is: `all` alike; the `hardest` or the `semi-hard` one (the nearest beyond the positive, else the
 * farthest; Schroff et al. 2015); `distance-weighted` q ∝ 1 / density(d_in), for negatives nearer than 1.4, where the
 * density of distances between points of a sphere of D dimensions is
 *
 *     density(d) ∝ d^(D−2) (1 − d²/4)^((D−3)/2)          Wu et al. 2017, arXiv:1706.07567
 *
 * DEVIATION: the expectation over q is taken instead of one draw from it: the same mean, less variance, and no random
 * numbers in the step. An anchor without positive or negative in its minibatch has loss 0.
 *
 * Targets are class numbers, [B] or [B, 1]; predictions are embeddings, [B, D], that need not be normalised.
 * @throws {OptionsError} when an option is out of range
 * @example model.compile({ optimizer: 'adam', loss: tripletLoss({ negatives: 'semi-hard' }) });
 */
export function tripletLoss(options: z.input<typeof TripletLossOptions> = {}): TripletLoss {
  return embeddingLoss('tripletLoss', parseOptions('tripletLoss()', TripletLossOptions, options));
}

/**
 * The margin loss for embeddings: of each sample of the minibatch as an anchor, the mean over its positives of how far
 * they lie outside a boundary, and of how far negatives lie inside it.
 *
 *     loss_i = mean_p [ max(0, d_ip − β + α) + Σ_n q(n | i) max(0, β − d_in + α) ]          Wu et al. 2017, arXiv:1706.07567
 *
 * Distances, negatives and their q are those of `tripletLoss`; a pair's loss does not hang on another pair.
 *
 * DEVIATION: β is one number that is not learned; they learn it, for all or for each class, and found little in it.
 * @throws {OptionsError} when an option is out of range
 * @example model.compile({ optimizer: 'adam', loss: marginLoss({ negatives: 'distance-weighted' }) });
 */
export function marginLoss(options: z.input<typeof MarginLossOptions> = {}): TripletLoss {
  return embeddingLoss('marginLoss', parseOptions('marginLoss()', MarginLossOptions, options));
}

function embeddingLoss(
  name: string,
  { margin, negatives, cutoff, boundary }: z.output<typeof TripletLossOptions> & { readonly boundary?: number },
): TripletLoss {
  const loss = (labels: tf.Tensor, embeddings: tf.Tensor) =>
    tf.tidy(() => {
      const d = distances(embeddings as tf.Tensor2D);
      const { positive, negative } = masks(labels, d.shape[0]);
      const reach = boundary === undefined ? d : tf.fill<tf.Rank.R2>(d.shape, boundary);
      const dimensions = embeddings.shape.at(-1)!;
      const pushed = over(whole.negatives, { d, reach, positive, negative, margin, cutoff, dimensions });
      const pulled = boundary === undefined ? pushed : tf.add(pushed, tf.relu(tf.add(tf.sub(d, boundary), margin)));
      const pairs = tf.sum(tf.mul(pulled, positive), 1); // [B, B] -> [B]
      return tf.div(pairs, tf.maximum(tf.sum(positive, 1), 1)); // divNoNan compares, and so has no gradient here
    });
  const whole: TripletLoss = Object.assign(loss, { negatives, isTripletLoss: true as const });
  Object.defineProperty(whole, 'name', { value: name });
  return whole;
}

/** ‖z_i − z_j‖ on the unit sphere. @returns [B, B] */
function distances(embeddings: tf.Tensor2D /* [B, D] */): tf.Tensor2D {
  const unit = tf.div(embeddings, tf.sqrt(tf.add(tf.sum(tf.square(embeddings), 1, true), 1e-12)));
  const squares = tf.sub(2, tf.mul(2, tf.matMul(unit as tf.Tensor2D, unit as tf.Tensor2D, false, true)));
  return tf.sqrt(tf.maximum(squares, 1e-6)); // the root has no slope at 0
}

/** Which pairs are of one class, without a sample and itself, and which of two. @returns [B, B] of 0 and 1, each */
function masks(labels: tf.Tensor, samples: number) {
  const column = tf.reshape(labels, [samples, 1]);
  const same = tf.cast(tf.equal(column, tf.transpose(column)), 'float32');
  return { positive: tf.sub<tf.Tensor2D>(same, tf.eye(samples)), negative: tf.sub<tf.Tensor2D>(1, same) };
}

interface Pairs {
  readonly d: tf.Tensor2D;
  /** What a negative must lie beyond, for an anchor and a positive: the positive's distance, or a boundary. */
  readonly reach: tf.Tensor2D;
  readonly positive: tf.Tensor2D;
  readonly negative: tf.Tensor2D;
  readonly margin: number;
  readonly cutoff: number;
  readonly dimensions: number;
}

/** Σ_n q(n | i) max(0, reach_ip − d_in + α) for each anchor i and other p. @returns [B, B] */
function over(negatives: Negatives, pairs: Pairs): tf.Tensor2D {
  const { d, reach, negative, margin } = pairs;
  const hasNegative = tf.cast(tf.greater(tf.sum(negative, 1, true), 0), 'float32'); // [B, 1]
  if (negatives === 'all' || negatives === 'distance-weighted') {
    const q = negatives === 'all' ? shares(negative) : shares(inverseDensity(pairs));
    const beyond = tf.relu(tf.add(tf.sub(tf.expandDims(reach, 2), tf.expandDims(d, 1)), margin)); // [B, p, n]
    return tf.sum(tf.mul(beyond, tf.expandDims(q, 1)), 2);
  }
  const far = 10; // beyond every distance
  const off = tf.mul(tf.sub(1, negative), far);
  const hardest = tf.min(tf.add(d, off), 1, true); // [B, 1]
  const nearest = negatives === 'hardest' ? hardest : semiHard(d, negative, far);
  return tf.mul(tf.relu(tf.add(tf.sub(reach, nearest), margin)), hasNegative);
}

/** The nearest negative beyond each positive, or else the farthest of all. @returns [B, p] */
function semiHard(d: tf.Tensor2D, negative: tf.Tensor2D, far: number): tf.Tensor2D {
  const open = constantOf(d, (at) => {
    const isBeyond = tf.greater(tf.expandDims(at, 1), tf.expandDims(at, 2)); // [B, p, n]: d_in > d_ip
    return tf.mul(tf.cast(isBeyond, 'float32'), tf.expandDims(negative, 1));
  });
  const beyond = tf.min(tf.add(tf.expandDims(d, 1), tf.mul(tf.sub(1, open), far)), 2); // [B, p]
  const farthestOfAll = tf.max(tf.mul(d, negative), 1, true); // [B, 1]
  const exists = tf.minimum(tf.sum(open, 2), 1); // 1 or 0
  return tf.add(tf.mul(exists, beyond), tf.mul(tf.sub(1, exists), farthestOfAll));
}

/** 1 / density(d) of the negatives nearer than 1.4; where there is none, all negatives alike. No gradient. @returns [B, B] */
function inverseDensity({ d, negative, cutoff, dimensions }: Pairs): tf.Tensor2D {
  return constantOf(d, (distance) => {
    const at = tf.maximum(distance, cutoff);
    const rest = tf.maximum(tf.sub(1, tf.div(tf.square(at), 4)), 1e-6);
    const logWeight = tf.add(tf.mul(tf.log(at), 2 - dimensions), tf.mul(tf.log(rest), (3 - dimensions) / 2));
    const near = tf.mul(negative, tf.cast(tf.less(distance, farthest), 'float32'));
    const largest = tf.max(tf.add(logWeight, tf.mul(tf.sub(near, 1), 1e9)), 1, true);
    const weights = tf.mul(near, tf.exp(tf.minimum(tf.sub(logWeight, largest), 0)));
    const has = tf.minimum(tf.sum(near, 1, true), 1);
    return tf.add(weights, tf.mul(tf.sub(1, has), negative));
  });
}

/** A function of x without a gradient: comparisons have none in tfjs, and some choices are meant to have none. */
const constantOf = <Result extends tf.Tensor>(x: tf.Tensor2D, compute: (x: tf.Tensor2D) => Result): Result =>
  tf.customGrad<Result>((at) => ({
    value: compute(at as tf.Tensor2D),
    gradFunc: () => tf.zerosLike(x),
  }))(x);

const shares = (weights: tf.Tensor2D): tf.Tensor2D => tf.div(weights, tf.maximum(tf.sum(weights, 1, true), 1e-12));

/**
 * Whether each sample's nearest neighbour in its minibatch is of its class: recall@1. For `metrics` of a model. @returns [B]
 *
 * @example
 * model.compile({ optimizer: 'adam', loss: tripletLoss(), metrics: [recallAt1] });
 */
export const recallAt1 = (labels: tf.Tensor, embeddings: tf.Tensor): tf.Tensor =>
  tf.tidy(() => {
    const [samples = 0] = embeddings.shape;
    const d = tf.add(distances(embeddings as tf.Tensor2D), tf.mul(tf.eye(samples), 10)); // not itself
    const nearest = tf.argMin(d, 1);
    const flat = tf.reshape(tf.cast(labels, 'int32'), [-1]);
    return tf.cast(tf.equal(tf.gather(flat, nearest), flat), 'float32');
  });
