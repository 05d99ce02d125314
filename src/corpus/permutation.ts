import { createRng } from '../stream/random.ts';

/** An order of the numbers `0 … n-1`: `order(i)` is the number at place `i`. */
export type Order = (place: number) => number;

/** Up to here an order is a shuffled table: 256 KiB at most. */
const TABLE_LIMIT = 2 ** 16;
const ROUNDS = 6;

/** The order as it is. */
export const inOrder: Order = (place) => place;

/**
 * A random order of `0 … n-1` that takes the same little memory whatever `n` is, and can be asked for any place at once,
 * so that a stream over it can start anywhere.
 *
 * Small: a shuffled table (Fisher-Yates). Large: a keyed bijection of the next power of four (a Feistel network whose
 * round function is a 32-bit mixer), asked again until the result lies below `n`: fewer than 4 times on average.
 */
export function randomOrder(n: number, seed: number): Order {
  return n <= TABLE_LIMIT ? shuffledTable(n, seed) : feistel(n, seed);
}

function shuffledTable(n: number, seed: number): Order {
  const rng = createRng(seed, 'order');
  const table = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = rng.integer(i + 1);
    const swapped = table[i]!;
    table[i] = table[j]!;
    table[j] = swapped;
  }
  return (place) => table[place]!;
}

function feistel(n: number, seed: number): Order {
  const rng = createRng(seed, 'order');
  const keys = Array.from({ length: ROUNDS }, () => rng.integer(2 ** 32));
  const half = 2 ** Math.ceil(Math.log2(n) / 2); // both halves below it: half² ≥ n
  const permute = (number: number) => {
    let high = Math.floor(number / half);
    let low = number % half;
    for (const key of keys) [high, low] = [low, (high ^ mix(low, key)) & (half - 1)];
    return high * half + low;
  };
  return (place) => {
    let number = permute(place);
    while (number >= n) number = permute(number);
    return number;
  };
}

/** Mixes 32 bits so that each input bit changes about half of the output's (the finaliser of MurmurHash3). */
function mix(value: number, key: number): number {
  let h = (value ^ key) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
