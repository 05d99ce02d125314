import type { Schema } from '../stream/columns.ts';
import type { Sample, SampleRows } from '../stream/sample.ts';
import { deriveSeed } from '../stream/random.ts';
import type { Augmentation, Pass } from './augment/augment.ts';
import type { BadSamples } from './bad-samples.ts';
import { inOrder, randomOrder, type Order } from './permutation.ts';

/** Consecutive samples of one part (a stretch of a shard), read at once. */
export interface BlockRef {
  readonly part: number;
  /** First sample, counted within the part. */
  readonly first: number;
  readonly count: number;
}

/** A block in memory; its samples are made when asked for, at once or in another thread. */
export interface Block {
  readonly count: number;
  /**
   * @param pass given where the sample is to be augmented by its block
   * @returns owned by the caller
   */
  sample(index: number, pass?: Pass): Sample | Promise<Sample>;
  /**
   * Writes a sample into a row of columns whose schema is the source's, where that is quicker than making it.
   * @returns its id
   */
  write?(index: number, columns: SampleRows['columns'], row: number): string;
}

/** What a format tells about its data, so that one order and one reader serve every format. */
export interface BlockSource {
  /** Samples in each part. */
  readonly parts: readonly number[];
  /** Of the rows that blocks can write into. @default blocks write none */
  readonly schema?: Schema;
  /** What is done to the pictures in `x`. @default nothing */
  readonly augmentation?: Augmentation | undefined;
  /** Whether the blocks do that themselves, as they decode. @default false */
  readonly augmentsItself?: boolean;
  /** Samples in a block; the last one of a part may hold fewer. */
  readonly blockSize: number;
  /** Samples mixed at a time: the shuffle buffer. */
  readonly poolSize: number;
  /** Parts whose blocks are mixed with each other; `Infinity` where reading anywhere costs the same. */
  readonly partsAtOnce: number;
  /** Samples that are made ahead of the one asked for, where blocks give promises. @default 0 */
  readonly decodeAhead?: number;
  /** What is done about samples that cannot be made. @default an error ends the stream */
  readonly badSamples?: BadSamples | undefined;
  /** Reads blocks. Every file is closed again when it settles. */
  load(refs: readonly BlockRef[], signal?: AbortSignal): Promise<readonly Block[]>;
}

/**
 * Lists the blocks of one epoch, in pools of about `poolSize` samples. With a seed, parts are shuffled, and the blocks
 * of every `partsAtOnce` of them with each other. Nothing of the list is held but the pool under way.
 */
export function* planEpoch(source: BlockSource, seed?: number): Generator<readonly BlockRef[]> {
  let pool: BlockRef[] = [];
  let held = 0;
  for (const ref of blocksOf(source, seed)) {
    pool.push(ref);
    held += ref.count;
    if (held < source.poolSize) continue;
    yield pool;
    pool = [];
    held = 0;
  }
  if (held > 0) yield pool;
}

function* blocksOf({ parts, blockSize, partsAtOnce }: BlockSource, seed?: number): Generator<BlockRef> {
  const group = Math.min(partsAtOnce, parts.length);
  const partOrder = seed === undefined ? inOrder : randomOrder(parts.length, deriveSeed(seed, 'parts'));
  for (let first = 0; first < parts.length; first += group) {
    const members = Array.from({ length: Math.min(group, parts.length - first) }, (_, i) => partOrder(first + i));
    const starts = cumulative(members.map((part) => Math.ceil(parts[part]! / blockSize)));
    const blocks = starts.at(-1)!;
    const order = seed === undefined ? inOrder : randomOrder(blocks, deriveSeed(seed, 'blocks', first));
    for (let place = 0; place < blocks; place++) {
      const block = order(place);
      const member = locate(starts, block);
      const part = members[member]!;
      const from = (block - starts[member]!) * blockSize;
      yield { part, first: from, count: Math.min(blockSize, parts[part]! - from) };
    }
  }
}

/** Blocks in memory whose samples leave in one order, shuffled across all of them or as they lie. */
export class Pool {
  readonly size: number;
  readonly #blocks: readonly Block[];
  readonly #refs: readonly BlockRef[];
  readonly #starts: readonly number[];
  readonly #order: Order;

  /** @param refs where each of the blocks is from */
  constructor(blocks: readonly Block[], refs: readonly BlockRef[], seed?: number) {
    this.#blocks = blocks;
    this.#refs = refs;
    this.#starts = cumulative(blocks.map((block) => block.count));
    this.size = this.#starts.at(-1)!;
    this.#order = seed === undefined ? inOrder : randomOrder(this.size, seed);
  }

  /** The sample at a place of the order. @returns owned by the caller */
  sample(place: number, pass?: Pass): Sample | Promise<Sample> {
    const number = this.#order(place);
    const block = locate(this.#starts, number);
    return this.#blocks[block]!.sample(number - this.#starts[block]!, pass);
  }

  /** Writes the sample at a place into a row. @returns its id; undefined where its block does not write rows */
  write(place: number, columns: SampleRows['columns'], row: number): string | undefined {
    const number = this.#order(place);
    const block = locate(this.#starts, number);
    return this.#blocks[block]!.write?.(number - this.#starts[block]!, columns, row);
  }

  /** Which of the source's samples is at a place: `part:number`. */
  numberOf(place: number): string {
    const number = this.#order(place);
    const block = locate(this.#starts, number);
    const { part, first } = this.#refs[block]!;
    return `${part}:${first + number - this.#starts[block]!}`;
  }
}

/** Where each run starts when runs of these lengths lie end to end; one more for where the last ends. */
export function cumulative(lengths: readonly number[]): number[] {
  const starts = [0];
  for (const length of lengths) starts.push(starts.at(-1)! + length);
  return starts;
}

/** The run that holds `number`: the last whose start is at most it, by bisection. */
export function locate(starts: readonly number[], number: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= number) low = middle;
    else high = middle;
  }
  return low;
}
