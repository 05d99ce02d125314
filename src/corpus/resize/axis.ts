import { LRUCache } from 'lru-cache';
import { kernelFunctions, type KernelName } from './kernel-functions.ts';

/** A stretch of an axis, in pixels; its ends may lie within pixels. */
export interface Span {
  readonly start: number;
  readonly length: number;
}

/** How each place of a resized axis is a weighted sum of the pixels of the old one. */
export interface Axis {
  /** Pixels that count for any place: from `first` to before `end`. */
  readonly first: number;
  readonly end: number;
  /** The first pixel that counts for each place, from `first` on. */
  readonly starts: Int32Array /* [size] */;
  /** Fixed point: a place's weights sum to 2^shift. Behind the pixels that count stand zeros. */
  readonly weights: Int16Array /* [size, taps] */;
  readonly taps: number;
  readonly shift: number;
}

/** 255 times a kernel's weights without their signs (1.6 at most) times 2^21 is below 2^31, in which sums are taken. */
const MOST_SHIFT = 21;
/** Most weight of a single pixel; below 2^15, for the rounding may add one. */
const MOST_WEIGHT = 2 ** 15 - 2;

/** Weights that are kept: those of a few sizes of images. */
const cache = new LRUCache<string, Axis>({
  maxSize: 2 ** 22,
  sizeCalculation: ({ weights }) => weights.byteLength + 200,
});

/**
 * Weighs the pixels of an axis by a kernel that is as wide as the pixels of whichever side has the larger ones: so a smaller
 * picture loses what it cannot show and gets no patterns instead (antialiasing), as in Pillow and libvips. The kernel
 * is cut at the ends of the axis, and the weights of what is left sum to 1.
 *
 * @param pixels of the old axis
 * @param span of it that becomes the new one; pixels beside it count, too, as far as the kernel reaches
 * @param size of the new axis
 * @param multiple the number of weights for each place is a multiple of it
 */
export function axisOf(pixels: number, span: Span, size: number, kernel: KernelName, multiple: number): Axis {
  const key = [pixels, span.start, span.length, size, kernel, multiple].join();
  const known = cache.get(key);
  if (known) return known;
  const axis = weigh(pixels, span, size, kernel, multiple);
  cache.set(key, axis);
  return axis;
}

function weigh(pixels: number, span: Span, size: number, kernel: KernelName, multiple: number): Axis {
  const { reach, weightAt } = kernelFunctions[kernel];
  const scale = span.length / size;
  const width = Math.max(1, scale);
  const places = Array.from({ length: size }, (_, i) => {
    const centre = span.start + (i + 0.5) * scale;
    const from = Math.max(0, Math.floor(centre - reach * width + 0.5));
    const to = Math.min(pixels, Math.floor(centre + reach * width + 0.5));
    const weights = Float64Array.from({ length: to - from }, (__, j) => weightAt((from + j + 0.5 - centre) / width));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { from, weights: weights.map((weight) => weight / sum) };
  });
  const first = Math.min(...places.map(({ from }) => from));
  const end = Math.max(...places.map(({ from, weights }) => from + weights.length));
  const most = Math.max(...places.map(({ weights }) => weights.length));
  const taps = multiple * Math.ceil(most / multiple);
  const largest = Math.max(...places.map(({ weights }) => weights.reduce((a, b) => Math.max(a, Math.abs(b)), 0)));
  const shift = Math.min(MOST_SHIFT, Math.floor(Math.log2(MOST_WEIGHT / largest)));
  const fixed = new Int16Array(size * taps);
  for (const [i, { weights }] of places.entries()) toFixedPoint(weights, 2 ** shift, fixed.subarray(i * taps));
  return { first, end, starts: Int32Array.from(places, ({ from }) => from - first), weights: fixed, taps, shift };
}

/** Rounds running sums, so that the whole is exactly `one`: a picture of one colour keeps it. */
function toFixedPoint(weights: Float64Array, one: number, fixed: Int16Array): void {
  let [sum, rounded] = [0, 0];
  for (const [i, weight] of weights.entries()) {
    sum += weight;
    const next = i === weights.length - 1 ? one : Math.round(sum * one);
    fixed[i] = next - rounded;
    rounded = next;
  }
}
