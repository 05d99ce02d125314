import { rowSize, type Schema } from '../stream/columns.ts';
import type { Rng } from '../stream/random.ts';
import { atSteps, variesInLength } from '../stream/steps.ts';
import { writeSample, type Sample, type SampleRows } from '../stream/sample.ts';
import { augmentPixels, augmentRng, type Augmentation, type Pass } from './augment/augment.ts';
import type { BlockSource, Pool } from './blocks.ts';

/** A pool of a pass, in memory. */
export interface PartOfPool {
  readonly pool: Pool;
  /** Places to leave out: the stream begins within the pool. */
  readonly skip: number;
  readonly pass: Pass;
}

/** Whether a sample is wanted, by its id. */
type Accepts = (id: string) => boolean;
const all: Accepts = () => true;

/** Bad samples that were left out, by how many good ones came before each. */
export class Skips {
  readonly #given: number[] = [];

  add(given: number): void {
    this.#given.push(given);
  }

  /** Places left out until the last of `taken` samples. */
  before(taken: number): number {
    const next = this.#given.findIndex((given) => given >= taken);
    return next < 0 ? this.#given.length : next;
  }
}

/** Where a sample is from. */
interface Origin {
  readonly part: PartOfPool;
  readonly place: number;
}

/** A sample that is being made. */
interface Started extends Origin {
  readonly made: Promise<Sample>;
}

interface WalkOptions {
  readonly signal?: AbortSignal | undefined;
  /** Samples to be begun ahead, where that is more than the source's own number. @default 0 */
  readonly ahead?: number;
}

/**
 * Goes through the places of pools, one after another, and makes their samples. It waits only for a pool to be read or
 * a sample to be decoded: what lies in memory is had without a promise.
 *
 * Where blocks give promises, up to `decodeAhead` samples (or `ahead`, which is more) are begun ahead of the one asked for, and given in their order
 * whichever is ready first.
 */
export class Walk {
  readonly #pools: AsyncGenerator<PartOfPool, void, void>;
  readonly #source: BlockSource;
  readonly #signal: AbortSignal | undefined;
  readonly #skips: Skips;
  readonly #leave: () => void;
  /** Samples begun ahead of the one asked for; 0 where none gives a promise. */
  readonly #ahead: number;
  readonly #started: Started[] = [];
  #part: PartOfPool | undefined;
  #place = 0;
  #given = 0;
  #hasLeft = false;
  /** Why no more places come, once that is known: told after the samples that were begun before. */
  #end: { readonly error?: unknown } | undefined;

  /** @param leave told when no more samples are wanted, or there are none */
  constructor(
    pools: AsyncGenerator<PartOfPool, void, void>,
    source: BlockSource,
    { signal, ahead = 0 }: WalkOptions,
    skips: Skips,
    leave: () => void = () => {},
  ) {
    this.#pools = pools;
    this.#source = source;
    this.#signal = signal;
    this.#skips = skips;
    this.#leave = leave;
    const { decodeAhead = 0 } = source;
    this.#ahead = decodeAhead > 0 ? Math.max(decodeAhead, ahead) : 0;
  }

  async *samples(): AsyncGenerator<Sample, void, void> {
    try {
      for (;;) {
        const next = this.#next();
        const sample = next instanceof Promise ? await next : next;
        if (!sample) return;
        yield sample;
      }
    } finally {
      await this.close();
    }
  }

  /** Writes up to `rows` samples that are accepted, fewer only at the end. @returns their ids */
  async fillRows(into: SampleRows, rows: number, accepts: Accepts = all): Promise<string[]> {
    const { schema } = this.#source;
    const isDirect = into.schema === schema && !variesInLength(into.schema) && this.#ahead === 0;
    const ids: string[] = [];
    while (ids.length < rows) {
      if (isDirect && (this.#isReady || (await this.#getReady())) && this.#writeHere(into, rows, ids, accepts))
        continue;
      const sample = await this.#next();
      if (!sample) break;
      if (!accepts(sample.id)) continue;
      writeSample(into, ids.length, sample);
      ids.push(sample.id);
    }
    return ids;
  }

  /** Ends the pass: waits for what is being read or decoded, and keeps nothing of it. */
  async close(): Promise<void> {
    this.#hasLeft = true;
    this.#end = {};
    this.#part = undefined;
    this.#leave();
    await Promise.allSettled(this.#started.splice(0).map(({ made }) => made));
    await this.#pools.return();
  }

  /**
   * Writes what lies in memory, up to the pool's end or the first sample whose block does not write rows.
   * @returns whether it was not the latter
   */
  #writeHere(into: SampleRows, rows: number, ids: string[], accepts: Accepts): boolean {
    const { pool, pass } = this.#part!;
    const { augmentation } = this.#source;
    while (ids.length < rows && this.#isReady) {
      this.#signal?.throwIfAborted();
      try {
        const id = pool.write(this.#place, into.columns, ids.length);
        if (id === undefined) return false;
        this.#given += 1;
        if (accepts(id)) {
          if (augmentation) augmentRow(into, ids.length, augmentation, augmentRng(pass, id));
          ids.push(id); // else the next is written over it
        }
      } catch (error) {
        this.#leaveOut(error, { part: this.#part!, place: this.#place });
      }
      this.#place += 1;
    }
    return true;
  }

  /** The next sample: at once where it lies in memory. Undefined at the end. */
  #next(): Sample | Promise<Sample | undefined> {
    if (!this.#isReady) return this.#later();
    this.#signal?.throwIfAborted();
    const started = this.#started.shift();
    const next = started ?? { part: this.#part!, place: this.#place++ };
    try {
      const made = started?.made ?? this.#make(next);
      if (made instanceof Promise) return this.#whenMade(made, next);
      this.#given += 1;
      return made;
    } catch (error) {
      this.#leaveOut(error, next);
      return this.#later();
    }
  }

  async #later(): Promise<Sample | undefined> {
    if (this.#isReady || (await this.#getReady())) return this.#next();
    this.#leave();
    return undefined;
  }

  async #whenMade(made: Promise<Sample>, origin: Origin): Promise<Sample | undefined> {
    try {
      const sample = await made;
      this.#given += 1;
      return sample;
    } catch (error) {
      if (this.#hasLeft) return undefined;
      this.#leaveOut(error, origin);
      return this.#later();
    }
  }

  get #isInPool(): boolean {
    return this.#part !== undefined && this.#place < this.#part.pool.size;
  }

  /** Whether there is a sample to take, and those ahead of it are begun. */
  get #isReady(): boolean {
    return this.#ahead === 0 ? this.#isInPool : this.#started.length > (this.#end ? 0 : this.#ahead);
  }

  /** @returns whether there is a sample to take, after waiting for a pool where one is needed */
  async #getReady(): Promise<boolean> {
    if (this.#ahead === 0) return this.#isInPool || this.#advance();
    while (this.#started.length <= this.#ahead && !this.#end)
      try {
        if (this.#isInPool || (await this.#advance())) this.#start(this.#part!, this.#place++);
        else this.#end = {};
      } catch (error) {
        this.#end = { error };
      }
    if (this.#started.length > 0) return true;
    if (this.#end && 'error' in this.#end) throw this.#end.error;
    return false;
  }

  /** Goes to the next pool that has a place. @returns whether there is one */
  async #advance(): Promise<boolean> {
    while (!this.#isInPool) {
      const next = await this.#pools.next().catch((error: unknown) => {
        if (!this.#hasLeft) throw error; // else the leaving ended it
      });
      if (!next || next.done || this.#end) return false;
      this.#part = next.value;
      this.#place = next.value.skip;
    }
    return true;
  }

  #start(part: PartOfPool, place: number): void {
    const made = Promise.resolve().then(() => this.#make({ part, place }));
    made.catch(() => {}); // thrown where it is awaited, after the samples before it
    this.#started.push({ part, place, made });
  }

  #make({ part: { pool, pass }, place }: Origin): Sample | Promise<Sample> {
    const { augmentation, augmentsItself, schema } = this.#source;
    if (augmentation && augmentsItself) return pool.sample(place, pass);
    const made = pool.sample(place);
    if (!augmentation) return made;
    const augment = (sample: Sample) => augmentSample(sample, schema!, augmentation, augmentRng(pass, sample.id));
    return made instanceof Promise ? made.then(augment) : augment(made);
  }

  #leaveOut(error: unknown, { part: { pool }, place }: Origin): void {
    const { badSamples } = this.#source;
    if (!badSamples) throw error;
    badSamples.leaveOut(error, pool.numberOf(place));
    this.#skips.add(this.#given);
  }
}

const augmentSample = (sample: Sample, schema: Schema, augmentation: Augmentation, rng: Rng): Sample => {
  const { x } = sample;
  return x instanceof Uint8Array
    ? { ...sample, x: augmentPixels(x, atSteps(schema['x']!, 0).shape, augmentation, rng) }
    : sample;
};

function augmentRow({ schema, columns }: SampleRows, row: number, augmentation: Augmentation, rng: Rng): void {
  const spec = atSteps(schema['x']!, 0);
  const size = rowSize(spec);
  const pixels = columns['x']!.subarray(row * size, (row + 1) * size);
  if (pixels instanceof Uint8Array) pixels.set(augmentPixels(pixels, spec.shape, augmentation, rng));
}
