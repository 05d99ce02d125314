import { ShapeError } from '../errors.ts';
import { isNumbers, type ColumnData, type Schema } from '../stream/columns.ts';
import type { Sample } from '../stream/sample.ts';
import { countSteps, hasSteps, stepSize } from '../stream/steps.ts';
import { whereIn } from './fill.ts';
import { bucketCount, bucketOf, type LengthSettings } from './lengths.ts';

/** A sample that waits for its buffer. */
export interface Waiting {
  readonly sample: Sample;
  /** Steps that it has, or is cut to. */
  readonly steps: number;
  /** Its number in the source. */
  readonly number: number;
}

/**
 * Samples that wait by their lengths, in each bucket in the order in which they came.
 *
 * Memory: the samples themselves, so many as the buckets' buffers take at most.
 */
export class Buckets {
  readonly #stepped: readonly string[];
  readonly #schema: Schema;
  readonly #lengths: LengthSettings;
  readonly #buckets: Waiting[][];
  readonly #onDrop: ((id: string, steps: number) => void) | undefined;
  #taken = 0;

  constructor(schema: Schema, lengths: LengthSettings, onDrop?: (id: string, steps: number) => void) {
    this.#schema = schema;
    this.#lengths = lengths;
    this.#stepped = Object.keys(schema).filter((name) => hasSteps(schema[name]!));
    this.#buckets = Array.from({ length: bucketCount(lengths) }, () => []);
    this.#onDrop = onDrop;
  }

  /** Samples taken from the source. */
  get taken(): number {
    return this.#taken;
  }

  /** Numbers of those that wait, ascending. */
  get waiting(): number[] {
    return this.#buckets.flatMap((rows) => rows.map(({ number }) => number)).toSorted((a, b) => a - b);
  }

  /** How many wait in each bucket. */
  get sizes(): number[] {
    return this.#buckets.map((rows) => rows.length);
  }

  /**
   * Puts a sample into its bucket.
   * @returns the bucket's number; undefined for a sample that is left out
   * @throws {ShapeError} when its columns differ in length, or it is too long
   */
  add(sample: Sample): number | undefined {
    const { boundaries, truncate } = this.#lengths;
    const own = this.#stepsOf(sample);
    const most = boundaries?.at(-1) ?? Infinity;
    const number = this.#taken;
    if (own > most && truncate === 'error') throw tooLong(sample, own, most);
    this.#taken += 1;
    if (own > most && truncate === 'drop') {
      this.#onDrop?.(sample.id, own);
      return undefined;
    }
    const steps = Math.min(own, most);
    const bucket = bucketOf(this.#lengths, steps);
    this.#buckets[bucket]!.push({ sample: boundaries ? this.#owned(sample, steps) : sample, steps, number });
    return bucket;
  }

  /** A copy of a sample, cut to its steps: it may wait long, and would keep the block that it was read from in memory. */
  #owned(sample: Sample, steps: number): Sample {
    const columns = Object.entries(this.#schema).map(([name, spec]) => [
      name,
      copied(sample[name], hasSteps(spec) ? steps * stepSize(spec) : Infinity, this.#lengths.truncate === 'start'),
    ]);
    return { id: sample.id, ...(Object.fromEntries(columns) as Omit<Sample, 'id'>) }; // each is its column's own value
  }

  /** The first samples of a bucket. */
  take(bucket: number, rows: number): readonly Waiting[] {
    return this.#buckets[bucket]!.splice(0, rows);
  }

  /** Of the buckets that are meant, the one with the sample that has waited longest. */
  oldest(isMeant: (bucket: number) => boolean): number | undefined {
    const firsts = this.#buckets.map((rows, bucket) => (isMeant(bucket) ? rows[0]?.number : undefined) ?? Infinity);
    const least = Math.min(...firsts);
    return least === Infinity ? undefined : firsts.indexOf(least);
  }

  #stepsOf(sample: Sample): number {
    const [first, ...others] = this.#stepped;
    const steps = (name: string) => countSteps(this.#schema[name]!, sample[name], whereIn(name, sample));
    const own = steps(first!);
    const other = others.find((name) => steps(name) !== own);
    if (other === undefined) return own;
    throw new ShapeError(
      `${whereIn(other, sample)}: expected ${own} steps, as in \`${first}\`, got ${steps(other)}. ` +
        'Give all columns with a time axis the same steps.',
      { id: sample.id, expected: own, got: steps(other) },
    );
  }
}

/** The first numbers of a value, or the last ones. */
function copied(value: unknown, numbers: number, isCutAtStart: boolean): unknown {
  if (!isNumbers(value)) return value;
  const begin = isCutAtStart ? Math.max(0, value.length - numbers) : 0;
  const end = Math.min(value.length, begin + numbers);
  return ArrayBuffer.isView(value)
    ? (value as unknown as ColumnData).slice(begin, end)
    : Array.prototype.slice.call(value, begin, end);
}

const tooLong = (sample: Sample, steps: number, most: number): ShapeError =>
  new ShapeError(
    `presample(): sample ${sample.id}: expected at most ${most} steps, the last of \`lengths.boundaries\`, got ${steps}. ` +
      "Raise it, or say what is done about longer ones with `truncate`: 'end', 'start' or 'drop'.",
    { id: sample.id, expected: most, got: steps },
  );
