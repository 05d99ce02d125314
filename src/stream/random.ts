import { createHash } from 'node:crypto';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus, xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

/** A seeded source of random numbers whose state can be saved and restored. */
export interface Rng {
  /** A double in [0, 1) with 53 random bits. */
  uniform(): number;
  /** An integer in [0, below). */
  integer(below: number): number;
  /** The state, as 32-bit integers: `rngFrom(rng.state())` draws what `rng` would draw next. */
  state(): readonly number[];
}

/**
 * The seed of one purpose: the first 32 bits of sha256 over `seed` and the names, joined by `/`. Every stage, shard and
 * epoch derives its seed here, so no two share a random stream and none depends on how many numbers another drew.
 *
 * @example deriveSeed(7, 'corpus', 'epoch', 2) // an integer in [0, 2^32)
 */
export const deriveSeed = (seed: number, ...names: readonly (string | number)[]): number =>
  createHash('sha256')
    .update([seed, ...names].join('/'))
    .digest()
    .readUInt32BE(0);

/**
 * A random source for one purpose of one run.
 * @example
 * const rng = createRng(7, 'my-scheme');
 * rng.integer(6) + 1; // a die, the same for a seed and name
 */
export const createRng = (seed: number, ...names: readonly (string | number)[]): Rng =>
  wrap(xoroshiro128plus(deriveSeed(seed, ...names) | 0));

/**
 * A random source that goes on from a saved state.
 * @example
 * const rng = createRng(7, 'my-scheme');
 * const later = rngFrom(rng.state()); // for a scheme's `restore`
 */
export const rngFrom = (state: readonly number[]): Rng => wrap(xoroshiro128plusFromState([...state]));

const wrap = (generator: RandomGenerator): Rng => ({
  uniform: () => uniformFloat64(generator),
  integer: (below) => Math.floor(uniformFloat64(generator) * below),
  state: () => generator.getState(),
});

/** Shuffles in place (Fisher-Yates): every order is equally likely. */
export function shuffle<Item>(items: Item[], rng: Rng): Item[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = rng.integer(i + 1);
    const swapped = items[i]!;
    items[i] = items[j]!;
    items[j] = swapped;
  }
  return items;
}
