import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CorpusError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import type { Position } from '../stream/sample.ts';
import { planEpoch, type BlockRef, type BlockSource } from './blocks.ts';

/**
 * A position in a stream whose order is a pure function of source and seed: how many places of that order lie behind.
 * Nothing that sat in a shuffle buffer or a decoder has to be kept, because it can be named.
 */
const PlacePosition = z.strictObject({
  kind: z.literal('place'),
  /** Stands for the order: another corpus, seed or shuffle buffer has another. */
  order: z.string(),
  /** Places passed since the first epoch began: samples given, and bad ones that were skipped. */
  place: z.int().nonnegative(),
});

/** The position at a place of an order. */
export const positionAt = (order: string, place: number): Position =>
  ({ kind: 'place', order, place }) satisfies z.output<typeof PlacePosition>;

/**
 * The place that a position stands for.
 * @throws {OptionsError} when it is no position of such a stream
 * @throws {CorpusError} when it was told by a stream of another order
 */
export function placeOf(where: string, position: Position, order: string): number {
  const parsed = parseOptions(`${where}: \`from\``, PlacePosition, position);
  if (parsed.order === order) return parsed.place;
  throw new CorpusError(
    `${where}: expected a position in the same order (${order}), got one of another (${parsed.order}). ` +
      'Go on with the corpus, the seed and the shuffle buffer that the position comes from, or start anew.',
    { expected: order, got: parsed.order },
  );
}

/** Names the order in which a source's samples leave: equal names, equal orders. */
export const orderName = ({ parts, blockSize, poolSize, partsAtOnce }: BlockSource, seed?: number): string =>
  createHash('sha256')
    .update([blockSize, poolSize, partsAtOnce, seed ?? 'as it lies', ...parts].join('/'))
    .digest('hex')
    .slice(0, 16);

/** A pool of an epoch, and how many of its places lie behind. */
export interface PlannedPool {
  readonly number: number;
  readonly refs: readonly BlockRef[];
  /** Places of the pool to leave out. */
  readonly skip: number;
}

/** The pools of an epoch from a place on. What lies before is counted, not read: some microseconds a block. */
export function* poolsFrom(source: BlockSource, seed: number | undefined, place: number): Generator<PlannedPool> {
  let number = 0;
  let before = 0;
  for (const refs of planEpoch(source, seed)) {
    const size = refs.reduce((sum, { count }) => sum + count, 0);
    if (before + size > place) yield { number, refs, skip: Math.max(0, place - before) };
    before += size;
    number += 1;
  }
}
