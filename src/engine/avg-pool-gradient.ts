import * as tf from '@tensorflow/tfjs';

let registered = false;

/**
 * Mends the gradient of `tf.avgPool` with padding. Forward divides each window by the places of it that lie in the image;
 * TensorFlow.js' own gradient divides by the whole window, so that it is too small along the edges. TensorFlow's own
 * kernels do it right and keep theirs.
 */
export function registerAvgPoolGradient(): void {
  if (registered) return;
  registered = true;
  const stock = tf.getGradient('AvgPool');
  tf.unregisterGradient('AvgPool');
  tf.registerGradient({
    ...stock,
    gradFunc: (dy, saved, attrs) => {
      const [x] = saved;
      const isRight = attrs['pad'] === 'valid' || attrs['pad'] === 0 || tf.getBackend() === 'tensorflow';
      if (isRight || Array.isArray(dy) || x?.rank !== 4) return stock.gradFunc(dy, saved, attrs);
      return stock.gradFunc(dy.mul(edgeFactors(x, attrs)), saved, attrs);
    },
  });
}

/** For each output place, the window's size over its places within the image: [1, outHeight, outWidth, 1]. */
function edgeFactors(x: tf.Tensor, attrs: tf.NamedAttrMap): tf.Tensor {
  // Attributes come untyped; these are those of avgPool.
  const g = tf.backend_util.computePool2DInfo(
    x.shape as [number, number, number, number],
    attrs['filterSize'] as [number, number],
    attrs['strides'] as [number, number],
    1,
    attrs['pad'] as 'same',
    attrs['dimRoundingMode'] as 'floor' | undefined,
  );
  const rows = placesWithin(g.outHeight, g.strideHeight, g.padInfo.top, g.filterHeight, g.inHeight);
  const columns = placesWithin(g.outWidth, g.strideWidth, g.padInfo.left, g.filterWidth, g.inWidth);
  const window = g.filterHeight * g.filterWidth;
  const factors = rows.flatMap((height) => columns.map((width) => window / (height * width)));
  return tf.tensor4d(factors, [1, g.outHeight, g.outWidth, 1]);
}

/** How many places of each window along one axis lie within the image. */
const placesWithin = (windows: number, stride: number, padding: number, filter: number, size: number): number[] =>
  Array.from({ length: windows }, (_, i) => {
    const start = i * stride - padding;
    return Math.min(size, start + filter) - Math.max(0, start);
  });
