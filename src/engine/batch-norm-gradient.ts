import * as tf from '@tensorflow/tfjs';

let registered = false;

/**
 * Replaces the gradient of `tf.batchNorm` by one that reads the image twice: TensorFlow.js' own spreads the statistics
 * over a tensor of the image's size and computes the same sums several times.
 *
 *     r = 1 / sqrt(variance + epsilon)     s = Σ dy     t = Σ dy (x - mean)
 *     dx = dy r scale     dmean = -r scale s     dvariance = -r³ scale t / 2     dscale = r t     doffset = s
 */
export function registerBatchNormGradient(): void {
  if (registered) return;
  registered = true;
  const stock = tf.getGradient('FusedBatchNorm');
  tf.unregisterGradient('FusedBatchNorm');
  tf.registerGradient({
    ...stock,
    gradFunc: (dy, saved, attrs) => {
      const [x, mean, variance, scale] = saved;
      const epsilon = Number(attrs['varianceEpsilon']);
      const isByChannel = mean?.rank === 1 && variance?.rank === 1;
      if (Array.isArray(dy) || !x || !isByChannel) return stock.gradFunc(dy, saved, attrs);
      return gradients(dy, x, [mean, variance, scale ?? tf.scalar(1)], epsilon);
    },
  });
}

function gradients(
  dy: tf.Tensor,
  x: tf.Tensor,
  [mean, variance, scale]: readonly [tf.Tensor, tf.Tensor, tf.Tensor],
  epsilon: number,
) {
  const leading = Array.from({ length: x.rank - 1 }, (_, axis) => axis);
  const inverse = variance.add(epsilon).rsqrt();
  const scaled = inverse.mul(scale);
  // Computed here and not within a function below: tfjs runs each of those in a tidy of its own.
  const total = dy.sum(leading);
  const moment = dy.mul(x.sub(mean)).sum(leading);
  return {
    x: () => dy.mul(scaled),
    mean: () => scaled.mul(total).neg(),
    variance: () => scaled.mul(inverse.square()).mul(moment).mul(-0.5),
    scale: () => inverse.mul(moment),
    offset: () => total.clone(),
  };
}
