import { ShapeError } from '../errors.ts';
import { rowSize, writeRow, type ColumnData, type ColumnSpec, type Schema } from '../stream/columns.ts';
import type { Phase } from '../stream/gate.ts';
import type { Sample } from '../stream/sample.ts';
import { atSteps, hasSteps, realSteps, variesInLength } from '../stream/steps.ts';
import { Buckets, type Waiting } from './buckets.ts';
import { expectId, whereIn, type Fill, type Filler } from './fill.ts';
import { bucketBatchSizes, paddedSteps, type LengthSettings } from './lengths.ts';
import type { Ring } from './ring.ts';

export interface LengthFillerOptions {
  readonly schema: Schema;
  readonly ring: Ring;
  readonly sizes: { readonly presampleSize: number; readonly batchSize: number };
  readonly lengths: LengthSettings;
  readonly onDrop?: ((id: string, steps: number) => void) | undefined;
}

/**
 * Fills buffers of samples that have lengths of their own: from one bucket each, padded to one length.
 *
 * Legend: b and B the samples of a buffer without buckets, while the gate is shut and open; b_k those of a minibatch of
 * bucket k. Its buffers hold b_k samples, or B b_k / b, and a sample weighs (samples in its buffer) / (b or B). So a step
 * adds 1/b of each sample's gradient, whatever the bucket, and over an epoch no sample counts more than another.
 */
export class LengthFiller implements Filler {
  readonly #options: LengthFillerOptions;
  readonly #batchSizes: readonly number[];
  readonly #buckets: Buckets;
  #ended = false;

  constructor(options: LengthFillerOptions) {
    const { schema, lengths, sizes, onDrop } = options;
    checkSchema(schema);
    this.#options = options;
    this.#batchSizes = bucketBatchSizes(lengths, sizes.batchSize);
    this.#buckets = new Buckets(schema, lengths, onDrop);
  }

  async fill(samples: AsyncIterator<Sample>, phase: Phase, rows: number): Promise<Fill | undefined> {
    const { batchSize } = this.#options.sizes;
    const targets = this.#batchSizes.map((own) =>
      phase === 'uniform' ? own : Math.max(1, Math.round((rows * own) / batchSize)),
    );
    const bucket = await this.#fullBucket(samples, targets);
    if (bucket === undefined) return undefined;
    return this.#write(this.#buckets.take(bucket, targets[bucket]!), bucket, rows);
  }

  /** The first bucket to have as many samples as its buffer takes; when the source has ended, any that has some. */
  async #fullBucket(samples: AsyncIterator<Sample>, targets: readonly number[]): Promise<number | undefined> {
    const isFull = (bucket: number) => this.#buckets.sizes[bucket]! >= targets[bucket]!;
    const ready = this.#buckets.oldest(isFull);
    if (ready !== undefined) return ready;
    while (!this.#ended) {
      const next = await samples.next();
      if (next.done) {
        this.#ended = true;
        break;
      }
      expectId(next.value);
      const bucket = this.#buckets.add(next.value);
      if (bucket !== undefined && isFull(bucket)) return bucket;
    }
    return this.#buckets.oldest(() => true);
  }

  #write(waiting: readonly Waiting[], bucket: number, asked: number): Fill {
    const { schema, ring, lengths } = this.#options;
    const steps = paddedSteps(
      lengths,
      waiting.reduce((most, own) => Math.max(most, own.steps), 0),
    );
    const storage = ring.borrow(waiting.length, steps);
    const columns = Object.entries(schema);
    waiting.forEach(({ sample }, row) => {
      for (const [name, spec] of columns)
        if (hasSteps(spec)) writeSteps(storage[name]!, spec, row, steps, sample[name]!);
        else writeRow(storage[name]!, atSteps(spec, 0), row, sample[name], whereIn(name, sample));
    });
    fillMask(storage[realSteps(schema)] as Float32Array, waiting, steps); // bufferSchema says what type it has
    return {
      ids: waiting.map(({ sample }) => sample.id),
      storage,
      steps,
      passed: { taken: this.#buckets.taken, waiting: this.#buckets.waiting },
      isLast: this.#ended && this.#buckets.sizes.every((size) => size === 0),
      ...(lengths.boundaries &&
        lengths.bucket && { weight: waiting.length / asked, batchSize: this.#batchSizes[bucket]! }),
    };
  }
}

/** Writes a sample's steps and fills the row up with zeros. */
function writeSteps(data: ColumnData, spec: ColumnSpec, row: number, steps: number, value: Sample[string]): void {
  const size = rowSize(atSteps(spec, steps));
  const length = typeof value === 'object' ? value.length : 1;
  if (typeof value === 'object') data.set(value, row * size);
  else data[row * size] = Number(value);
  data.fill(0, row * size + length, (row + 1) * size);
}

/** 1 in the real steps of each row, 0 in the others. */
function fillMask(mask: Float32Array /* [rows, T] */, waiting: readonly Waiting[], steps: number): void {
  waiting.forEach(({ steps: own }, row) => {
    mask.fill(1, row * steps, row * steps + own);
    mask.fill(0, row * steps + own, (row + 1) * steps);
  });
}

/** @throws {ShapeError} when no column has a time axis, or one has it elsewhere than in front */
function checkSchema(schema: Schema): void {
  const odd = Object.entries(schema).find(([name, spec]) => isOdd(name, spec));
  if (variesInLength(schema) && !odd) return;
  throw new ShapeError(
    `presample(): expected columns with one time axis, in front ([null, ...]), and \`mask\` among them if there is one, got ` +
      `${odd ? `\`${odd[0]}\` of [${odd[1].shape.map((axis) => axis ?? 'null').join(', ')}]` : 'fixed shapes only'}. ` +
      `${odd ? 'Give each the shape of a sample; `steps` is made here' : 'Leave out `lengths`'}.`,
    { columns: Object.keys(schema) },
  );
}

const isOdd = (name: string, spec: ColumnSpec): boolean =>
  spec.shape.lastIndexOf(null) > 0 || (name === 'mask' && !hasSteps(spec)) || name === 'steps';
