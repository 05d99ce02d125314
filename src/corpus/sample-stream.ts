import { z } from 'zod';
import { parseOptions, Seed } from '../options.ts';
import { Following } from '../stream/following.ts';
import { deriveSeed } from '../stream/random.ts';
import type { Position, Sample, SampleOptions, SampleStream } from '../stream/sample.ts';
import { Pool, type BlockSource } from './blocks.ts';
import { orderName, placeOf, poolsFrom, positionAt } from './cursor.ts';
import { Skips, Walk, type PartOfPool } from './sample-walk.ts';

const SampleOptionsSchema = z.strictObject({
  seed: Seed,
  epochs: z
    .union([z.int().positive(), z.literal(Infinity)], { error: 'must be a whole number ≥ 1, or Infinity' })
    .default(Infinity),
  shuffle: z.boolean().default(true),
  signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
  ahead: z.int().nonnegative().default(0),
  from: z
    .custom<Position>((value) => typeof value === 'object' && value !== null, { error: 'must be a position' })
    .optional(),
});
type ParsedSampleOptions = z.output<typeof SampleOptionsSchema>;

/** A pass over a corpus that can be gone on with from any of its samples. */
export type BlockStream = AsyncGenerator<Sample, void, void> &
  SampleStream &
  Required<Pick<SampleStream, 'position' | 'epochOf'>>;

/**
 * Streams a source's samples, each exactly once an epoch.
 *
 * The order is a pure function of the seed, the epoch, the pool's number and the place in the pool, so a stream can
 * start anywhere by naming these three numbers: nothing of what went before has to be repeated.
 *
 * Memory: two pools, the one that is being handed out and the next, which is read meanwhile, and where samples must be
 * decoded `decodeAhead` or `ahead` of them, whichever is more.
 * No file stays open while the consumer holds a sample, so a stream that is abandoned leaks nothing.
 *
 * @throws {OptionsError} at once when an option is unknown or out of range
 * @throws {CorpusError} at once when `from` was told by a stream of another order
 */
export function streamSamples(where: string, source: BlockSource, options: SampleOptions): BlockStream {
  const parsed = parseOptions(`${where}.samples()`, SampleOptionsSchema, options);
  const order = orderName(source, parsed.shuffle ? parsed.seed : undefined);
  const start = parsed.from === undefined ? 0 : placeOf(`${where}.samples()`, parsed.from, order);
  const skips = new Skips();
  const stop = new Following();
  const pools = readAhead(loadPools(source, parsed, start, stop));
  const leave = () => {
    stop.abort(); // nobody waits for what is on its way
    stop[Symbol.dispose]();
  };
  const walk = new Walk(pools, source, parsed, skips, leave);
  const samples = walk.samples();
  const placeBehind = (taken: number) => start + taken + skips.before(taken);
  const length = lengthOf(source);
  return Object.assign(samples, {
    position: (taken: number) => positionAt(order, placeBehind(taken)),
    epochOf: (index: number) => Math.floor((placeBehind(index + 1) - 1) / length),
    // what is decoded in other threads comes sample by sample: whoever reads ahead of its use keeps them busy
    ...(!source.decodeAhead && { fillRows: walk.fillRows.bind(walk) }),
    // a generator that was never asked for a sample would end without closing what `fillRows` opened
    return: async () => {
      await walk.close();
      return { done: true as const, value: undefined };
    },
  });
}

const lengthOf = ({ parts }: BlockSource): number => parts.reduce((sum, samples) => sum + samples, 0);

async function* loadPools(
  source: BlockSource,
  options: ParsedSampleOptions,
  start: number,
  stop: Following,
): AsyncGenerator<PartOfPool, void, void> {
  const length = lengthOf(source);
  if (length === 0) return;
  const { signal } = stop.follow(options.signal);
  for (let epoch = Math.floor(start / length); epoch < options.epochs; epoch++) {
    const seed = options.shuffle ? deriveSeed(options.seed, 'corpus', 'epoch', epoch) : undefined;
    const place = Math.max(0, start - epoch * length);
    for (const { refs, number, skip } of poolsFrom(source, seed, place)) {
      signal.throwIfAborted();
      const blocks = await source.load(refs, signal);
      const pool = new Pool(blocks, refs, seed === undefined ? undefined : deriveSeed(seed, 'pool', number));
      yield { pool, skip, pass: { seed: options.seed, epoch } };
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
