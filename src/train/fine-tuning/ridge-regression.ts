import * as tf from '@tensorflow/tfjs';
import { CholeskyDecomposition, Matrix } from 'ml-matrix';

/** Samples, as rows. */
export interface Rows {
  /** Features, [n, d]. */
  readonly x: tf.Tensor2D;
  /** Targets times the sample's weight, [n, C]: a row of probabilities sums to the weight. */
  readonly y: tf.Tensor2D;
}

/** A linear map from features to targets. */
export interface LinearMap {
  /** [d, C], row by row. */
  readonly weights: Float32Array;
  /** [C] */
  readonly offsets: Float32Array;
}

/**
 * Ridge regression with an offset, of samples that come in batches: it keeps their second moments alone.
 *
 * Legend: d features, one more that is always 1; C targets; c_i the weight of a sample.
 */
export class RidgeRegression {
  readonly #features: number;
  readonly #targets: number;
  /** Σ c x xᵀ, [d + 1, d + 1]. */
  readonly #xx: Float64Array;
  /** Σ c x pᵀ, [d + 1, C]. */
  readonly #xy: Float64Array;

  constructor(features: number, targets: number) {
    this.#features = features;
    this.#targets = targets;
    this.#xx = new Float64Array((features + 1) ** 2);
    this.#xy = new Float64Array((features + 1) * targets);
  }

  /** @param rows borrowed */
  async add({ x, y }: Rows): Promise<void> {
    const [xx, xy] = tf.tidy(() => {
      const withOne = tf.concat([x, tf.ones([x.shape[0], 1])], 1);
      const weighted = withOne.mul(y.sum(1, true));
      return [tf.matMul(withOne, weighted, true), tf.matMul(withOne, y, true)] as const;
    });
    addTo(this.#xx, await xx.data());
    addTo(this.#xy, await xy.data());
    tf.dispose([xx, xy]);
  }

  /**
   * The map of what was added so far. Where all features are alike it gives the targets' mean.
   * @param penalty λ over the mean squared length of the centred features
   */
  solve(penalty: number): LinearMap {
    const [d, C] = [this.#features, this.#targets];
    const total = this.#xx.at(-1)!;
    const meanOf = (j: number) => this.#xx[d * (d + 1) + j]! / total; // the last row is Σ c x
    const means = Float64Array.from({ length: d }, (_, j) => meanOf(j));
    const targetMeans = Float64Array.from({ length: C }, (_, k) => this.#xy[d * C + k]! / total);
    const covariance = Matrix.zeros(d, d);
    const correlation = Matrix.zeros(d, C);
    let length = 0;
    for (let i = 0; i < d; i++) {
      for (let j = 0; j <= i; j++) {
        const value = this.#xx[i * (d + 1) + j]! - total * means[i]! * means[j]!;
        covariance.set(i, j, value);
        covariance.set(j, i, value); // not computed twice: rounding would make the two differ
      }
      for (let k = 0; k < C; k++) correlation.set(i, k, this.#xy[i * C + k]! - total * means[i]! * targetMeans[k]!);
      length += covariance.get(i, i) / total;
    }
    for (let i = 0; i < d; i++) covariance.set(i, i, covariance.get(i, i) + (penalty * length || 1));
    const weights = new CholeskyDecomposition(covariance).solve(correlation);
    const offsets = Float32Array.from(targetMeans, (mean, k) =>
      means.reduce((sum, value, i) => sum - weights.get(i, k) * value, mean),
    );
    return { weights: Float32Array.from(weights.to1DArray()), offsets };
  }
}

function addTo(sums: Float64Array, values: ArrayLike<number>): void {
  for (let i = 0; i < sums.length; i++) sums[i]! += values[i]!;
}
