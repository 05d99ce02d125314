/** Arithmetic on 4 float32 lanes at a time. */

/** a * b + c, fused where the machine has relaxed SIMD. */
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/**
 * tanh by a rational polynomial of degree 13 over 6 (the coefficients are Eigen's); within 4e-7 of the true value.
 * Beyond ±7.9 it is ±1 in float32.
 */
export function tanh4(value: v128): v128 {
  const x = f32x4.max(f32x4.min(value, f32x4.splat(7.90531110763549805)), f32x4.splat(-7.90531110763549805));
  const square = f32x4.mul(x, x);
  let p = multiplyAdd(square, f32x4.splat(-2.76076847742355e-16), f32x4.splat(2.00018790482477e-13));
  p = multiplyAdd(square, p, f32x4.splat(-8.60467152213735e-11));
  p = multiplyAdd(square, p, f32x4.splat(5.12229709037114e-8));
  p = multiplyAdd(square, p, f32x4.splat(1.48572235717979e-5));
  p = multiplyAdd(square, p, f32x4.splat(6.37261928875436e-4));
  p = multiplyAdd(square, p, f32x4.splat(4.89352455891786e-3));
  let q = multiplyAdd(square, f32x4.splat(1.19825839466702e-6), f32x4.splat(1.18534705686654e-4));
  q = multiplyAdd(square, q, f32x4.splat(2.268434632439e-3));
  q = multiplyAdd(square, q, f32x4.splat(4.89352518554385e-3));
  return f32x4.div(f32x4.mul(x, p), q);
}

/** 1 / (1 + exp(-x)), by tanh(x / 2) / 2 + 1 / 2. */
function sigmoid4(x: v128): v128 {
  const half = f32x4.splat(0.5);
  return multiplyAdd(tanh4(f32x4.mul(x, half)), half, half);
}

/** clip(0.2 x + 0.5, 0, 1), the recurrent activation that Keras' recurrent layers start from. */
function hardSigmoid4(x: v128): v128 {
  const line = f32x4.add(f32x4.mul(x, f32x4.splat(0.2)), f32x4.splat(0.5));
  return f32x4.min(f32x4.max(line, f32x4.splat(0)), f32x4.splat(1));
}

/** Reads 4 numbers, or the `count` that are left at the end of a row. */
export function load4(from: usize, count: i32): v128 {
  if (count >= 4) return v128.load(from);
  let lanes = v128.load32_zero(from);
  if (count > 1) lanes = v128.load_lane<f32>(from, lanes, 1, 4);
  if (count > 2) lanes = v128.load_lane<f32>(from, lanes, 2, 8);
  return lanes;
}

/** Writes 4 numbers, or the `count` that are left at the end of a row. */
export function store4(to: usize, lanes: v128, count: i32): void {
  if (count >= 4) {
    v128.store(to, lanes);
    return;
  }
  v128.store_lane<f32>(to, lanes, 0);
  if (count > 1) v128.store_lane<f32>(to, lanes, 1, 4);
  if (count > 2) v128.store_lane<f32>(to, lanes, 2, 8);
}

/** The recurrent activation: sigmoid, or hard sigmoid. */
export function gate4(x: v128, hard: i32): v128 {
  return hard ? hardSigmoid4(x) : sigmoid4(x);
}

/** The recurrent activation's derivative by its value: s (1 - s), or 0.2 where the line is not cut off. */
export function gateSlope4(s: v128, hard: i32): v128 {
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  if (hard) return v128.and(v128.and(f32x4.gt(s, zero), f32x4.lt(s, one)), f32x4.splat(0.2));
  return f32x4.mul(s, f32x4.sub(one, s));
}

/** tanh's derivative by its value. */
export function tanhSlope4(y: v128): v128 {
  return f32x4.sub(f32x4.splat(1), f32x4.mul(y, y));
}
