import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { deriveSeed } from '../stream/random.ts';
import type { Sample, SampleOptions } from '../stream/sample.ts';
import { planEpoch, Pool, type BlockSource } from './blocks.ts';

const SampleOptionsSchema = z.strictObject({
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1),
  epochs: z
    .union([z.int().positive(), z.literal(Infinity)], { error: 'must be a whole number ≥ 1, or Infinity' })
    .default(Infinity),
  shuffle: z.boolean().default(true),
  signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
});
type ParsedSampleOptions = z.output<typeof SampleOptionsSchema>;

/**
 * Streams a source's samples, each exactly once an epoch.
 *
 * The order is a pure function of the seed, the epoch, the pool's number and the place in the pool, so a stream can
 * start anywhere by naming these three numbers: nothing of what went before has to be repeated.
 *
 * Memory: two pools, the one that is being handed out and the next, which is read meanwhile. No file stays open while
 * the consumer holds a sample, so a stream that is abandoned leaks nothing.
 *
 * @throws {OptionsError} at once when an option is unknown or out of range
 */
export function streamSamples(
  where: string,
  source: BlockSource,
  options: SampleOptions,
): AsyncGenerator<Sample, void, void> {
  const parsed = parseOptions(`${where}.samples()`, SampleOptionsSchema, options);
  return emit(readAhead(loadPools(source, parsed)), parsed.signal);
}

async function* emit(pools: AsyncIterable<Pool>, signal?: AbortSignal): AsyncGenerator<Sample, void, void> {
  for await (const pool of pools) {
    for (let place = 0; place < pool.size; place++) {
      if (signal?.aborted) signal.throwIfAborted();
      yield pool.sample(place);
    }
  }
}

async function* loadPools(source: BlockSource, options: ParsedSampleOptions): AsyncGenerator<Pool, void, void> {
  for (let epoch = 0; epoch < options.epochs; epoch++) {
    const seed = options.shuffle ? deriveSeed(options.seed, 'corpus', 'epoch', epoch) : undefined;
    let number = 0;
    for (const refs of planEpoch(source, seed)) {
      options.signal?.throwIfAborted();
      const blocks = await source.load(refs, options.signal);
      yield new Pool(blocks, seed === undefined ? undefined : deriveSeed(seed, 'pool', number));
      number += 1;
    }
  }
}

/** Asks for the next item while the current one is used; at most one item is ahead. */
async function* readAhead<Item>(source: AsyncGenerator<Item, void, void>): AsyncGenerator<Item, void, void> {
  const ask = () => {
    const next = source.next();
    next.catch(() => {}); // thrown where it is awaited, after the items before it
    return next;
  };
  let pending = ask();
  try {
    for (let result = await pending; !result.done; result = await pending) {
      pending = ask();
      yield result.value;
    }
  } finally {
    await pending.catch(() => {}); // reported above, or of no interest to a consumer that has left
    await source.return();
  }
}
