import { z } from 'zod';
import { parseOptions } from '../options.ts';
import { ShardError } from '../errors.ts';
import type { Schema } from '../stream/columns.ts';
import { writeSample, type Corpus, type Sample, type SampleOptions, type SampleRows } from '../stream/sample.ts';
import type { Block, BlockRef, BlockSource } from './blocks.ts';
import { AugmentOptions, expectPictures, type Augmentation } from './augment/augment.ts';
import { badSampleFields, BadSamples } from './bad-samples.ts';
import { checkLabels, checkRow, type Classes } from './labels.ts';
import { groupBy, mapConcurrently } from './map-concurrently.ts';
import { unpackSample } from './record-frame.ts';
import { copyFrame, frameLayout, type FrameLayout } from './record-row.ts';
import { readManifest, type RecordManifest } from './record-manifest.ts';
import { streamSamples } from './sample-stream.ts';
import { expectSamples, splitSegments, type Segment, type Split, type SplitOptions } from './segments.ts';
import { checkFrame, ShardReader, type Frames } from './shard-reader.ts';

/** Bytes of samples that the default shuffle buffer holds. */
const DEFAULT_BUFFER_BYTES = 32 * 2 ** 20;

export const RecordCorpusOptions = z.strictObject({
  /**
   * Samples mixed at a time, from blocks of up to 256 consecutive samples. Worst case in memory: twice as many samples
   * and 512 more. @default as many as take 32 MiB, at most 8192 – guess
   */
  shuffleBuffer: z
    .int()
    .min(1)
    .max(2 ** 24)
    .optional(),
  /** Shards that are mixed with each other; the order of all the shards is shuffled in any case. @default 8 – guess */
  shardsAtOnce: z.int().min(1).default(8),
  /** Names the corpus in logs. @default the manifest's */
  name: z.string().min(1).optional(),
  /**
   * Whether checksums are checked, once in a process: those of each shard's index and of each sample that is read. Shards
   * of version 1 have none of samples: theirs as a whole is checked. @default true
   */
  verify: z.boolean().default(true),
  /** What is done to the pictures in `x` (uint8 [H, W, C]) each time they are read. @default nothing */
  augment: AugmentOptions.optional(),
  ...badSampleFields,
});
export type RecordCorpusOptions = z.input<typeof RecordCorpusOptions>;

/** Samples from record shards. */
export interface RecordCorpus extends Corpus {
  readonly length: number;
  readonly manifest: RecordManifest;
  /** Samples that were left out so far, with `onBadSample: 'skip'`. */
  readonly badSamples: BadSamples | undefined;
  /**
   * Cuts the samples, in the order in which they were written, into a training and a validation part. Only the former is
   * augmented.
   * @throws {OptionsError} when an option is unknown or out of range
   * @throws {CorpusError} when a part has no sample
   */
  split(options?: SplitOptions): Split<RecordCorpus>;
}

/**
 * Opens a folder of record shards, as `writeRecords` leaves it. Shards are opened when they are read.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {CorpusError} when the folder has no usable manifest, or no pictures to augment
 * @throws {ShardError} from `samples()`, when a shard is missing, cut short, or not what the manifest says
 * @throws {LabelError} from `samples()`, when a label lies outside its classes
 * @example
 * const digits = await recordCorpus('digits');
 * for await (const { id, x, y } of digits.samples({ seed: 7, epochs: 1 })) console.log(id, x, y);
 */
export async function recordCorpus(folder: string, options: RecordCorpusOptions = {}): Promise<RecordCorpus> {
  const parsed = parseOptions(`recordCorpus(\`${folder}\`)`, RecordCorpusOptions, options);
  const manifest = await readManifest(folder);
  const shards = manifest.shards.map(({ samples }, shard): Segment => ({ shard, from: 0, to: samples }));
  const badSamples =
    parsed.onBadSample === 'skip' ? new BadSamples(`recordCorpus(\`${folder}\`)`, parsed.maxBadSamples) : undefined;
  if (parsed.augment) expectPictures(`recordCorpus(\`${folder}\`)`, manifest.schema['x']);
  return new ShardedRecords(
    { folder, manifest, options: parsed, badSamples },
    parsed.name ?? manifest.name,
    shards,
    parsed.augment,
  );
}

interface RecordLayout {
  readonly folder: string;
  readonly manifest: RecordManifest;
  readonly options: z.output<typeof RecordCorpusOptions>;
  readonly badSamples: BadSamples | undefined;
}

class ShardedRecords implements RecordCorpus, BlockSource {
  readonly name: string;
  readonly manifest: RecordManifest;
  readonly schema: Schema;
  readonly classes: Classes;
  readonly length: number;
  readonly parts: readonly number[];
  readonly partsAtOnce: number;
  readonly blockSize: number;
  readonly poolSize: number;
  readonly augmentation: Augmentation | undefined;
  readonly #layout: RecordLayout;
  readonly #segments: readonly Segment[];

  constructor(layout: RecordLayout, name: string, segments: readonly Segment[], augmentation?: Augmentation) {
    const { manifest, options } = layout;
    this.augmentation = augmentation;
    this.name = name;
    this.manifest = manifest;
    this.schema = manifest.schema;
    this.classes = manifest.classes;
    this.parts = segments.map(({ from, to }) => to - from);
    this.length = this.parts.reduce((sum, samples) => sum + samples, 0);
    this.partsAtOnce = options.shardsAtOnce;
    this.poolSize = options.shuffleBuffer ?? defaultBuffer(manifest);
    this.blockSize = Math.min(256, Math.ceil(this.poolSize / 32)); // a pool mixes 32 places of the shards or more
    this.#layout = layout;
    this.#segments = segments;
  }

  get badSamples(): BadSamples | undefined {
    return this.#layout.badSamples;
  }

  samples(options: SampleOptions) {
    return streamSamples(this.#where, this, options);
  }

  split(options: SplitOptions = {}): Split<RecordCorpus> {
    const parts = splitSegments(this.#where, this.#segments, options);
    const train = new ShardedRecords(this.#layout, `${this.name}/train`, parts.train, this.augmentation);
    const validation = new ShardedRecords(this.#layout, `${this.name}/validation`, parts.validation);
    expectSamples(this.#where, 'train', train.length);
    expectSamples(this.#where, 'validation', validation.length);
    return { train, validation };
  }

  async load(refs: readonly BlockRef[], signal?: AbortSignal): Promise<readonly Block[]> {
    const { folder, manifest, options } = this.#layout;
    const blocks: Block[] = [];
    const places = groupBy([...refs.keys()], (place) => this.#segments[refs[place]!.part]!.shard);
    const check = options.verify ? 'frames' : 'nothing';
    await mapConcurrently([...places], async ([shard, members]) => {
      const entry = manifest.shards[shard]!;
      const reader = await this.#leniently(ShardReader.open(folder, entry, check, signal));
      if (reader instanceof ShardError) {
        for (const place of members) blocks[place] = badBlock(refs[place]!.count, reader);
        return;
      }
      try {
        await mapConcurrently(members, async (place) => {
          signal?.throwIfAborted();
          const { part, first, count } = refs[place]!;
          const frames = await this.#leniently(reader.frames(this.#segments[part]!.from + first, count));
          blocks[place] =
            frames instanceof ShardError ? badBlock(count, frames) : new RecordBlock(entry.file, frames, manifest);
        });
      } finally {
        await reader.close();
      }
    });
    return blocks;
  }

  /** The error instead of the value, where samples may be left out. */
  async #leniently<Value>(work: Promise<Value>): Promise<Value | ShardError> {
    try {
      return await work;
    } catch (error) {
      if (this.badSamples && error instanceof ShardError) return error;
      throw error;
    }
  }

  get #where(): string {
    return `recordCorpus(\`${this.#layout.folder}\`)`;
  }
}

/** Samples of which none can be made, for one reason. */
const badBlock = (count: number, error: ShardError): Block => ({
  count,
  sample: () => {
    throw error;
  },
});

/** Samples as they lie in the file; each is unpacked when it is asked for. */
class RecordBlock implements Block {
  readonly #shard: string;
  readonly #frames: Frames;
  readonly #manifest: RecordManifest;
  readonly #layout: FrameLayout | undefined;

  constructor(shard: string, frames: Frames, manifest: RecordManifest) {
    this.#shard = shard;
    this.#frames = frames;
    this.#manifest = manifest;
    this.#layout = frameLayout(manifest.schema);
  }

  get count(): number {
    return this.#frames.starts.length;
  }

  sample(index: number): Sample {
    checkFrame(this.#shard, this.#frames, index);
    return this.#unpack(index);
  }

  #unpack(index: number): Sample {
    const { bytes, offset, starts, ends } = this.#frames;
    const { schema, classes } = this.#manifest;
    const start = starts[index]!;
    const place = { shard: this.#shard, offset: offset + start };
    const sample = unpackSample(place, bytes, start, ends[index]!, schema);
    checkLabels(this.#where, sample, classes);
    return sample;
  }

  write(index: number, columns: SampleRows['columns'], row: number): string {
    const { bytes, starts, ends } = this.#frames;
    const { schema } = this.#manifest;
    const layout = this.#layout;
    checkFrame(this.#shard, this.#frames, index);
    const id = layout && copyFrame(bytes, starts[index]!, ends[index]!, layout, columns, row);
    if (id === undefined) {
      const sample = this.#unpack(index); // says what is wrong, if anything
      writeSample({ schema, columns, where: this.#where }, row, sample);
      return sample.id;
    }
    checkRow(this.#where, id, this.#manifest, columns, row);
    return id;
  }

  get #where(): string {
    return `Shard \`${this.#shard}\``;
  }
}

function defaultBuffer({ shards, samples }: RecordManifest): number {
  const bytesPerSample = shards.reduce((sum, shard) => sum + shard.bytes, 0) / samples;
  return Math.max(1, Math.min(8192, Math.floor(DEFAULT_BUFFER_BYTES / bytesPerSample)));
}
