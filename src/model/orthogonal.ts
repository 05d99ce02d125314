import { createRng } from '../stream/random.ts';

/**
 * Draws a random orthogonal matrix, row after row: normal numbers, made orthonormal by Gram-Schmidt. In plain numbers,
 * because tfjs' own orthogonal initialiser takes 10 s for 128 units and runs again whenever a saved model is loaded.
 *
 * @returns `size * size` numbers, owned by the caller
 */
export function orthogonal(size: number, seed: number): Float64Array {
  const rng = createRng(seed, 'orthogonal');
  const matrix = Float64Array.from({ length: size * size }, () => normal(rng.uniform(), rng.uniform()));
  for (let i = 0; i < size; i++) {
    const row = matrix.subarray(i * size, (i + 1) * size);
    // Twice, because one pass leaves rounding errors behind.
    for (let pass = 0; pass < 2; pass++)
      for (let j = 0; j < i; j++) removePart(row, matrix.subarray(j * size, (j + 1) * size));
    scale(row, 1 / Math.sqrt(dot(row, row)));
  }
  return matrix;
}

/** Box-Muller; 1 - u lies in (0, 1]. */
const normal = (u: number, v: number) => Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function removePart(row: Float64Array, unit: Float64Array): void {
  const part = dot(row, unit);
  for (let i = 0; i < row.length; i++) row[i]! -= part * unit[i]!;
}

function scale(row: Float64Array, factor: number): void {
  for (let i = 0; i < row.length; i++) row[i]! *= factor;
}
