/**
 * Weighted sums over rows, then over columns, of 8-bit pixels with 1 or 3 channels. Four rows are summed into a strip that
 * stays in the cache, the strip's columns into four rows of the result.
 *
 * Of each axis: `starts` i32 [size], the first pixel that counts for each place of the result; `weights` i16 [size, taps],
 * which sum to 2^shift; `taps` a multiple of what is read at a time, filled up with zeros. So pixels behind the end may be
 * read, and count for nothing: memory must reach that far.
 */
import { sumColumnsOfColours, sumColumnsOfGrey } from './columns';

const ROWS: i32 = 4;

/**
 * out [outHeight, outWidth, channels] from rows of `bytes` bytes, which begin `stride` bytes after one another. `strip` has
 * room for four rows of `bytes` bytes, each rounded up to 16.
 */
export function resize(
  source: usize,
  stride: i32,
  bytes: i32,
  channels: i32,
  rowStarts: usize,
  rowWeights: usize,
  rowTaps: i32,
  rowShift: i32,
  columnStarts: usize,
  columnWeights: usize,
  columnTaps: i32,
  columnShift: i32,
  strip: usize,
  out: usize,
  outHeight: i32,
  outWidth: i32,
): void {
  const stripStride = (bytes + 15) & ~15;
  const outStride = outWidth * channels;
  const last = outHeight - 1;
  for (let y = 0; y < outHeight; y += ROWS) {
    // behind the last row it is made once more, and written to the same place
    for (let row = 0; row < ROWS; row++) {
      const own = min(y + row, last);
      const start = load<i32>(rowStarts + ((<usize>own) << 2));
      const weights = rowWeights + ((<usize>own * rowTaps) << 1);
      const from = source + <usize>start * stride;
      sumRows(from, stride, bytes, weights, rowTaps, rowShift, strip + <usize>row * stripStride);
    }
    const out0 = out + <usize>y * outStride;
    const out1 = out + <usize>min(y + 1, last) * outStride;
    const out2 = out + <usize>min(y + 2, last) * outStride;
    const out3 = out + <usize>min(y + 3, last) * outStride;
    if (channels == 3)
      sumColumnsOfColours(
        strip,
        stripStride,
        columnStarts,
        columnWeights,
        columnTaps,
        columnShift,
        outWidth,
        out0,
        out1,
        out2,
        out3,
      );
    else
      sumColumnsOfGrey(
        strip,
        stripStride,
        columnStarts,
        columnWeights,
        columnTaps,
        columnShift,
        outWidth,
        out0,
        out1,
        out2,
        out3,
      );
  }
}

/** out [bytes] = weighted sum of `taps` rows, two at a time: bytes of both in turn are multiplied and added in pairs. */
function sumRows(from: usize, stride: usize, bytes: i32, weights: usize, taps: i32, shift: i32, out: usize): void {
  const half = i32x4.splat(1 << (shift - 1));
  const end = weights + ((<usize>taps) << 1);
  for (let x = 0; x < bytes; x += 16, from += 16, out += 16) {
    let s0 = half;
    let s1 = half;
    let s2 = half;
    let s3 = half;
    for (let pair = weights, upper = from; pair < end; pair += 4, upper += 2 * stride) {
      const w = v128.load32_splat(pair);
      const a = v128.load(upper);
      const b = v128.load(upper + stride);
      const low = i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const high = i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(low), w));
      s1 = i32x4.add(s1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(low), w));
      s2 = i32x4.add(s2, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(high), w));
      s3 = i32x4.add(s3, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(high), w));
    }
    const left = i16x8.narrow_i32x4_s(i32x4.shr_s(s0, shift), i32x4.shr_s(s1, shift));
    const right = i16x8.narrow_i32x4_s(i32x4.shr_s(s2, shift), i32x4.shr_s(s3, shift));
    v128.store(out, i8x16.narrow_i16x8_u(left, right));
  }
}
