/** Sums over the columns of four rows at a time, so that weights are read once for the four. */

/** Four sums of each row's red, green and blue, and of what comes next, as bytes: a row in each 32 bits. */
function toBytes(s0: v128, s1: v128, s2: v128, s3: v128, shift: i32): v128 {
  const upper = i16x8.narrow_i32x4_s(i32x4.shr_s(s0, shift), i32x4.shr_s(s1, shift));
  const lower = i16x8.narrow_i32x4_s(i32x4.shr_s(s2, shift), i32x4.shr_s(s3, shift));
  return i8x16.narrow_i16x8_u(upper, lower);
}

/** Pixels 0 and 1 of four as 16-bit pairs: r0 r1 g0 g1 b0 b1 0 0. */
function firstPair(pixels: v128): v128 {
  return i8x16.swizzle(pixels, i8x16(0, -128, 3, -128, 1, -128, 4, -128, 2, -128, 5, -128, -128, -128, -128, -128));
}

/** Pixels 2 and 3 of four. */
function secondPair(pixels: v128): v128 {
  return i8x16.swizzle(pixels, i8x16(6, -128, 9, -128, 7, -128, 10, -128, 8, -128, 11, -128, -128, -128, -128, -128));
}

/** Adds four pixels of 3 bytes, weighted. */
function addFour(sum: v128, at: usize, first: v128, second: v128): v128 {
  const pixels = v128.load(at);
  const pairs = i32x4.add(i32x4.dot_i16x8_s(firstPair(pixels), first), i32x4.dot_i16x8_s(secondPair(pixels), second));
  return i32x4.add(sum, pairs);
}

/** `taps` is a multiple of 4. */
export function sumColumnsOfColours(
  strip: usize,
  stride: usize,
  starts: usize,
  weights: usize,
  taps: i32,
  shift: i32,
  width: i32,
  out0: usize,
  out1: usize,
  out2: usize,
  out3: usize,
): void {
  const half = i32x4.splat(1 << (shift - 1));
  const bytes = (<usize>taps) << 1;
  for (let x = 0; x < width; x++, starts += 4, out0 += 3, out1 += 3, out2 += 3, out3 += 3) {
    let at = strip + <usize>load<i32>(starts) * 3;
    let s0 = half;
    let s1 = half;
    let s2 = half;
    let s3 = half;
    for (const end = weights + bytes; weights < end; weights += 8, at += 12) {
      const first = v128.load32_splat(weights);
      const second = v128.load32_splat(weights, 4);
      s0 = addFour(s0, at, first, second);
      s1 = addFour(s1, at + stride, first, second);
      s2 = addFour(s2, at + 2 * stride, first, second);
      s3 = addFour(s3, at + 3 * stride, first, second);
    }
    const result = toBytes(s0, s1, s2, s3, shift);
    v128.store_lane<u16>(out0, result, 0);
    v128.store_lane<u8>(out0, result, 2, 2);
    v128.store_lane<u16>(out1, result, 2);
    v128.store_lane<u8>(out1, result, 6, 2);
    v128.store_lane<u16>(out2, result, 4);
    v128.store_lane<u8>(out2, result, 10, 2);
    v128.store_lane<u16>(out3, result, 6);
    v128.store_lane<u8>(out3, result, 14, 2);
  }
}

/** `taps` is a multiple of 8. */
export function sumColumnsOfGrey(
  strip: usize,
  stride: usize,
  starts: usize,
  weights: usize,
  taps: i32,
  shift: i32,
  width: i32,
  out0: usize,
  out1: usize,
  out2: usize,
  out3: usize,
): void {
  const half = i32x4.splat(1 << (shift - 1));
  const bytes = (<usize>taps) << 1;
  for (let x = 0; x < width; x++, starts += 4, out0++, out1++, out2++, out3++) {
    let at = strip + <usize>load<i32>(starts);
    let s0 = i32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (const end = weights + bytes; weights < end; weights += 16, at += 8) {
      const w = v128.load(weights);
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.load_ext<u8>(at), w));
      s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.load_ext<u8>(at + stride), w));
      s2 = i32x4.add(s2, i32x4.dot_i16x8_s(v128.load_ext<u8>(at + 2 * stride), w));
      s3 = i32x4.add(s3, i32x4.dot_i16x8_s(v128.load_ext<u8>(at + 3 * stride), w));
    }
    const sums = i32x4.shr_s(i32x4.add(half, acrossLanes(s0, s1, s2, s3)), shift);
    const narrow = i16x8.narrow_i32x4_s(sums, sums);
    const result = i8x16.narrow_i16x8_u(narrow, narrow);
    v128.store_lane<u8>(out0, result, 0);
    v128.store_lane<u8>(out1, result, 1);
    v128.store_lane<u8>(out2, result, 2);
    v128.store_lane<u8>(out3, result, 3);
  }
}

/** The sum of each vector's four numbers, in turn. */
function acrossLanes(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.shuffle(a, b, 1, 3, 5, 7));
  const cd = i32x4.add(i32x4.shuffle(c, d, 0, 2, 4, 6), i32x4.shuffle(c, d, 1, 3, 5, 7));
  return i32x4.add(i32x4.shuffle(ab, cd, 0, 2, 4, 6), i32x4.shuffle(ab, cd, 1, 3, 5, 7));
}
