/**
 * 16-bit floats as numbers. `bfloat16` is the upper half of a float32; `float16` is IEEE 754 binary16. Both round to the
 * nearest, ties to even, as TensorFlow's casts do.
 */
const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

export function toBfloat16(value: number): number {
  float[0] = value;
  const bits = word[0] ?? 0;
  if (Number.isNaN(value)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

export function fromBfloat16(half: number): number {
  word[0] = half << 16;
  return float[0] ?? 0;
}

export function toFloat16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  if (Number.isNaN(value)) return 0x7e00;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | roundToEven(size * 2 ** 24); // subnormal: a multiple of 2^-24
  const exponent = Math.floor(Math.log2(size));
  const shift = size < 2 ** exponent ? exponent - 1 : size >= 2 ** (exponent + 1) ? exponent + 1 : exponent;
  return sign | (((shift + 15) << 10) + roundToEven((size / 2 ** shift - 1) * 1024)); // a carry reaches the exponent
}

export function fromFloat16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function roundToEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}
