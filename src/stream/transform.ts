import { Readable, type Duplex } from 'node:stream';
import { objectTransform } from 'through2';
import type { Stage } from './stage.ts';

/**
 * Runs a stage as a Node stream, for `pipeline` and `pipe`.
 *
 * The inner literal is an async generator on purpose: through2 tells its transforms apart by the kind of function, and
 * a stage handed over as an arrow function would be taken for a callback transform and hang.
 *
 * @param highWaterMark items that may wait in each of its two buffers, so at most `2 × highWaterMark` items are held
 * @example
 * await pipeline(samples, asTransform(presample({ schema, gate, presampleSize: 640, batchSize: 128 }), 1), consumer)
 */
export const asTransform = <In, Out>(stage: Stage<In, Out>, highWaterMark: number): Duplex =>
  objectTransform({ highWaterMark }, async function* (source: AsyncIterable<In>) {
    yield* stage(source);
  }) as Duplex; // readable-stream's own Transform: the same interface under another declaration

/**
 * Makes a Node Readable of any async iterable, in object mode. Destroying it ends the iterable.
 *
 * @param highWaterMark items read ahead of a stalled consumer, at most one more
 * @example
 * asReadable(samples, 64).once('data', (sample) => console.log(sample.id));
 */
export const asReadable = <Item>(items: AsyncIterable<Item>, highWaterMark: number): Readable =>
  Readable.from(items, { objectMode: true, highWaterMark });
