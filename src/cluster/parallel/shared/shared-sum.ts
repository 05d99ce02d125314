import { closeSync } from 'node:fs';
import { ParallelError } from '../../../errors.ts';
import { mapFile, sleepWhile, unmapFile, wake, type Mapping } from './futex.ts';
import { reserve } from './shared-file.ts';

export interface SharedSumOptions {
  /** The shared file, open for reading and writing; this closes it. */
  readonly fd: number;
  readonly rank: number;
  readonly world: number;
  /** Seconds that a sum waits for a trainer that does not take part. */
  readonly stepSeconds: number;
}

/** Words of a line of the processor's cache: trainers that write neighbouring lines do not hinder each other. */
const LINE = 16;
/** How long nobody looks whether the sum was ended meanwhile. */
const LOOK_MS = 50;

/** The first sum's size is told by each in the word behind its count of arrivals. */
const size = 1;

/** Bytes that a file for so many trainers begins with: its token, and a line for each. */
export const headerBytes = (world: number): number => LINE * (1 + world) * Int32Array.BYTES_PER_ELEMENT;

/** The two views of a mapping, and what lies where in it. */
interface Memory {
  readonly mapping: Mapping;
  readonly words: Int32Array;
  /** Each trainer's numbers, by rank. */
  readonly slots: readonly Float32Array[];
  readonly sums: Float32Array;
}

/**
 * Sums numbers over the trainers of one machine, through memory that they share. Each writes its own numbers, sums its
 * share of the places over all, and takes the whole sum:
 *
 *     sum[i] = ((x_0[i] + x_1[i]) + …) + x_{N-1}[i]           in float32, rank by rank: the same bits for all, in any run
 *
 * Between these, trainers wait until all have come as far. A trainer arrives by counting in a word of its own and wakes
 * whoever sleeps on it: nobody computes while it waits. What trainers write before they arrive is seen by those who have
 * seen the arrival, and nobody writes again what another may still read: a slot is written by its owner after all have
 * summed, the sums after all have asked for the next sum.
 *
 * Memory: the trainers' numbers and once their sum, in /dev/shm.
 */
export class SharedSum {
  /** Set to 1 by another thread of this process, it ends a sum that waits. */
  readonly ended = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #options: SharedSumOptions;
  #memory: Memory | undefined;
  #arrivals = 0;
  #isClosed = false;

  constructor(options: SharedSumOptions) {
    this.#options = options;
  }

  /**
   * Sums numbers over all trainers: all of them ask for the same sums, each of as many numbers as the first.
   *
   * @param fill writes this trainer's numbers
   * @returns the sums, in shared memory: they stay until the next call
   * @throws {BrokenSumError} when another trainer does not take part
   * @throws {ParallelError} when there is no room, or the trainers' numbers are not as many
   */
  sum(count: number, fill: (own: Float32Array) => void): Float32Array {
    const { rank, world } = this.#options;
    if (this.#isClosed) throw new ParallelError('Trainers: expected a sum before they were left, got one afterwards.');
    const memory = (this.#memory ??= this.#open(count));
    const { slots, sums } = memory;
    if (count !== sums.length)
      throw new ParallelError(
        `Trainers: expected a sum of ${sums.length} numbers as before, got ${count}. Report this as a bug.`,
      );
    fill(slots[rank]!);
    this.#meet(memory);
    const bound = (of: number) => Math.floor((of * count) / world);
    sumInto(sums, slots, bound(rank), bound(rank + 1));
    this.#meet(memory);
    return sums;
  }

  /** Gives the memory back. Nobody may read a sum any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#memory) unmapFile(this.#memory.mapping);
    this.#memory = undefined;
    closeSync(this.#options.fd);
  }

  #open(count: number): Memory {
    const { fd, rank, world } = this.#options;
    const header = headerBytes(world) / Int32Array.BYTES_PER_ELEMENT;
    const line = Math.ceil(count / LINE) * LINE;
    const lines = [...Array.from({ length: world + 1 }).keys()].map((i) => header + i * line);
    for (const i of rank === 0 ? [0, world] : [rank]) reserve(fd, bytesOf(lines[i]!), bytesOf(lines[i]! + line));
    const mapping = mapFile(fd, bytesOf(header + (world + 1) * line));
    if (!mapping)
      throw new ParallelError(
        'Trainers: the system does not let memory be shared. Sum over the network with `--sum grpc`.',
      );
    const { bytes } = mapping;
    const numbers = lines.map((at) => new Float32Array(bytes, bytesOf(at), count));
    const memory = {
      mapping,
      words: new Int32Array(bytes, 0, header),
      slots: numbers.slice(0, -1),
      sums: numbers.at(-1)!,
    };
    try {
      this.#compareSizes(memory, count);
      return memory;
    } catch (error) {
      unmapFile(mapping);
      throw error;
    }
  }

  /** Nobody writes before all have room, and as many numbers. */
  #compareSizes(memory: Memory, count: number): void {
    const { rank, world } = this.#options;
    Atomics.store(memory.words, wordOf(rank) + size, count);
    this.#meet(memory);
    for (let other = 0; other < world; other++) {
      const theirs = Atomics.load(memory.words, wordOf(other) + size);
      if (theirs !== count)
        throw new ParallelError(
          `Trainers: expected ${count} numbers of rank ${other}, got ${theirs}. Start all from the same file.`,
          { rank: other, expected: count, got: theirs },
        );
    }
  }

  /** Waits until all have come here. */
  #meet({ mapping, words }: Memory): void {
    const { rank, world, stepSeconds } = this.#options;
    const arrivals = (this.#arrivals = (this.#arrivals + 1) | 0);
    Atomics.store(words, wordOf(rank), arrivals);
    wake(mapping, wordOf(rank));
    const untilMs = performance.now() + 1000 * stepSeconds;
    for (let other = 0; other < world; other++)
      for (;;) {
        const theirs = Atomics.load(words, wordOf(other));
        if (((theirs - arrivals) | 0) >= 0) break; // counts may run over
        if (Atomics.load(this.ended, 0) !== 0)
          throw new BrokenSumError('The sum of gradients was ended.', { waitedFor: other });
        if (performance.now() > untilMs)
          throw new BrokenSumError(`Rank ${other} did not take part in a sum for ${stepSeconds} s.`, {
            waitedFor: other,
          });
        sleepWhile(mapping, wordOf(other), theirs, LOOK_MS);
      }
  }
}

const bytesOf = (words: number): number => words * Float32Array.BYTES_PER_ELEMENT;

const wordOf = (rank: number): number => LINE * (1 + rank);

/** A sum that another trainer did not take part in. */
export class BrokenSumError extends ParallelError {}

/** Places from `from` to before `to`, summed over slots in their order. */
function sumInto(sums: Float32Array, slots: readonly Float32Array[], from: number, to: number): void {
  const [first, second, ...others] = slots;
  if (!first || !second) {
    sums.set(first!.subarray(from, to), from); // one trainer's sum is its own
    return;
  }
  for (let i = from; i < to; i++) sums[i] = first[i]! + second[i]!;
  for (const other of others) for (let i = from; i < to; i++) sums[i] = sums[i]! + other[i]!;
}
