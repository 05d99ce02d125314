import { z } from 'zod';
import { isTaustreamError } from '../errors.ts';
import type { Schema } from '../stream/columns.ts';
import type { Corpus, Sample, SampleOptions } from '../stream/sample.ts';
import { expectPictures, type Augmentation } from './augment/augment.ts';
import { badSampleFields, BadSamples } from './bad-samples.ts';
import type { Block, BlockRef, BlockSource } from './blocks.ts';
import { checkLabels, checkRow, type Classes } from './labels.ts';
import { mapConcurrently } from './map-concurrently.ts';
import { streamSamples } from './sample-stream.ts';
import { expectSamples, splitSegments, type Segment, type Split, type SplitOptions } from './segments.ts';

/** A stretch of data that can be read by itself: a file, an archive, a row group. */
export interface Shard {
  readonly name: string;
  readonly bytes: number;
  readonly samples: number;
  /** The class of a sample, where that is known without reading it; -1 for none. */
  classOf?(this: void, index: number): number;
  /** Reads samples `[first, first + count)`. Whatever it opens is closed when it settles. */
  read(this: void, first: number, count: number, signal?: AbortSignal): Promise<Block>;
}

/** What a format found: the same roles for each, so that one order and one reader serve all of them. */
export interface ShardSet {
  readonly format: string;
  readonly schema: Schema;
  readonly classes?: Classes;
  /** Names of the classes, by column, where the data has them. */
  readonly classNames?: Readonly<Record<string, readonly string[]>>;
  readonly shards: readonly Shard[];
  /** Samples that are best read together. @default up to 256 */
  readonly blockSize?: number;
  /** Samples decoded ahead of the one asked for, where that happens in other threads. */
  readonly decodeAhead?: number;
  /** Whether blocks augment a sample that they are given a pass for. @default false: it is done to their pixels */
  readonly augments?: boolean;
}

export const orderFields = {
  /** Samples mixed at a time. Worst case in memory: twice as many samples, as they lie in the file. @default 8192 – guess */
  shuffleBuffer: z
    .int()
    .min(1)
    .max(2 ** 24)
    .default(8192),
  /** Shards that are mixed with each other; the order of all the shards is shuffled in any case. @default Infinity */
  shardsAtOnce: z.union([z.int().min(1), z.literal(Infinity)]).default(Infinity),
  ...badSampleFields,
};
const OrderOptions = z.strictObject(orderFields);
export type OrderOptions = z.output<typeof OrderOptions>;

/** A corpus of shards in one of the known formats. */
export interface ShardedCorpus extends Corpus {
  readonly length: number;
  readonly format: string;
  readonly classNames: Readonly<Record<string, readonly string[]>>;
  readonly shards: readonly Pick<Shard, 'name' | 'bytes' | 'samples'>[];
  /** Samples of each class, where that is known without reading them. */
  readonly classCounts: readonly number[] | undefined;
  /** Samples that were left out so far, with `onBadSample: 'skip'`. */
  readonly badSamples: BadSamples | undefined;
  /**
   * Cuts the samples, as they lie in the files, into a training and a validation part. Only the former is augmented.
   * @throws {OptionsError} when an option is unknown or out of range
   * @throws {CorpusError} when a part has no sample
   */
  split(options?: SplitOptions): Split<ShardedCorpus>;
}

/**
 * Makes a corpus of what a format found.
 * @throws {CorpusError} when there is an augmentation, but no pictures
 */
export function shardedCorpus(
  name: string,
  found: ShardSet,
  options: OrderOptions,
  augmentation?: Augmentation,
): ShardedCorpus {
  const where = `corpus(\`${name}\`)`;
  if (augmentation) expectPictures(where, found.schema['x']);
  const badSamples = options.onBadSample === 'skip' ? new BadSamples(where, options.maxBadSamples) : undefined;
  const whole = found.shards.map(({ samples }, shard): Segment => ({ shard, from: 0, to: samples }));
  return new Shards({ where, found, options, badSamples }, name, whole, augmentation);
}

interface Layout {
  readonly where: string;
  readonly found: ShardSet;
  readonly options: OrderOptions;
  readonly badSamples: BadSamples | undefined;
}

class Shards implements ShardedCorpus, BlockSource {
  readonly name: string;
  readonly format: string;
  readonly schema: Schema;
  readonly classes: Classes;
  readonly classNames: Readonly<Record<string, readonly string[]>>;
  readonly length: number;
  readonly parts: readonly number[];
  readonly blockSize: number;
  readonly poolSize: number;
  readonly partsAtOnce: number;
  readonly decodeAhead: number;
  readonly augmentation: Augmentation | undefined;
  readonly augmentsItself: boolean;
  readonly #layout: Layout;
  readonly #segments: readonly Segment[];

  constructor(layout: Layout, name: string, segments: readonly Segment[], augmentation?: Augmentation) {
    const { found, options } = layout;
    this.augmentation = augmentation;
    this.augmentsItself = found.augments ?? false;
    this.name = name;
    this.format = found.format;
    this.schema = found.schema;
    this.classes = found.classes ?? {};
    this.classNames = found.classNames ?? {};
    this.parts = segments.map(({ from, to }) => to - from);
    this.length = this.parts.reduce((sum, samples) => sum + samples, 0);
    this.poolSize = options.shuffleBuffer;
    this.blockSize = found.blockSize ?? Math.min(256, Math.ceil(options.shuffleBuffer / 32));
    this.partsAtOnce = options.shardsAtOnce;
    this.decodeAhead = found.decodeAhead ?? 0;
    this.#layout = layout;
    this.#segments = segments;
  }

  get badSamples(): BadSamples | undefined {
    return this.#layout.badSamples;
  }

  get shards() {
    return this.#layout.found.shards.map(({ name, bytes }, shard) => ({
      name,
      bytes,
      samples: this.#segments.reduce((sum, own) => (own.shard === shard ? sum + own.to - own.from : sum), 0),
    }));
  }

  get classCounts(): readonly number[] | undefined {
    const { shards } = this.#layout.found;
    if (this.classes['y'] === undefined || shards.some(({ classOf }) => !classOf)) return undefined;
    const counts = Array.from({ length: this.classes['y'] }, () => 0);
    for (const { shard, from, to } of this.#segments)
      for (let i = from; i < to; i++) {
        const label = shards[shard]!.classOf!(i);
        if (label >= 0) counts[label]! += 1;
      }
    return counts;
  }

  samples(options: SampleOptions) {
    return streamSamples(this.#layout.where, this, options);
  }

  split(options: SplitOptions = {}): Split<ShardedCorpus> {
    const { where } = this.#layout;
    const parts = splitSegments(where, this.#segments, options);
    const train = new Shards(this.#layout, `${this.name}/train`, parts.train, this.augmentation);
    const validation = new Shards(this.#layout, `${this.name}/validation`, parts.validation);
    expectSamples(where, 'train', train.length);
    expectSamples(where, 'validation', validation.length);
    return { train, validation };
  }

  async load(refs: readonly BlockRef[], signal?: AbortSignal): Promise<readonly Block[]> {
    const blocks: Block[] = [];
    await mapConcurrently([...refs.keys()], async (place) => {
      signal?.throwIfAborted();
      blocks[place] = this.#checked(await this.#read(refs[place]!, signal));
    });
    return blocks;
  }

  async #read({ part, first, count }: BlockRef, signal?: AbortSignal): Promise<Block> {
    const { shard, from } = this.#segments[part]!;
    try {
      return await this.#layout.found.shards[shard]!.read(from + first, count, signal);
    } catch (error) {
      if (!this.badSamples || !isTaustreamError(error)) throw error;
      const fail = () => {
        throw error;
      };
      return { count, sample: fail }; // each of its samples is left out and counted
    }
  }

  #checked(block: Block): Block {
    const { where } = this.#layout;
    const { classes } = this;
    if (Object.keys(classes).length === 0) return block;
    const check = (sample: Sample): Sample => {
      checkLabels(where, sample, classes);
      return sample;
    };
    return {
      count: block.count,
      sample: (index, pass) => {
        const made = block.sample(index, pass);
        return made instanceof Promise ? made.then(check) : check(made);
      },
      ...(block.write && {
        write: (index, columns, row) => {
          const id = block.write!(index, columns, row);
          checkRow(where, id, this, columns, row);
          return id;
        },
      }),
    };
  }
}
