import type { Corpus, SampleOptions } from '../stream/sample.ts';
import type { BlockRef, BlockSource } from './blocks.ts';
import type { OpenBytes } from './byte-source.ts';
import { groupBy, mapConcurrently } from './map-concurrently.ts';
import { streamSamples } from './sample-stream.ts';
import { expectSamples, splitSegments, type Segment, type Split, type SplitOptions } from './segments.ts';
import { readIds, TextBlock, windowsIn } from './text-block.ts';
import type { TextIndex } from './text-index.ts';
import type { Vocabulary } from './vocabulary.ts';

/** One text of a corpus. A text of at most `window` units gives no window; `windows` shows it. */
export interface TextShard {
  readonly name: string;
  readonly bytes: number;
  /** Characters or bytes, all of them, whichever part of a split this is. */
  readonly units: number;
  /** Windows in this corpus. */
  readonly windows: number;
}

/** Windows of text: `x` holds T ids, `y` the T ids one step later. */
export interface TextCorpus extends Corpus {
  readonly length: number;
  readonly vocabulary: Vocabulary;
  readonly window: number;
  readonly stride: number;
  readonly shards: readonly TextShard[];
  /**
   * Cuts the text into a training and a validation part. No window crosses a cut, so no character of the one part is
   * ever read in the other.
   * @throws {OptionsError} when an option is unknown or out of range
   * @throws {CorpusError} when a part is too short for one window
   */
  split(options?: SplitOptions): Split<TextCorpus>;
}

/** A text that was read through, and how it is cut into windows. */
export interface TextLayout {
  readonly name: string;
  readonly indexes: readonly TextIndex[];
  readonly vocabulary: Vocabulary;
  readonly window: number;
  readonly stride: number;
  readonly shuffleBuffer: number;
}

/** Windows over segments of texts: the whole corpus, or a part of a split. */
export class WindowedText implements TextCorpus, BlockSource {
  readonly name: string;
  readonly vocabulary: Vocabulary;
  readonly window: number;
  readonly stride: number;
  readonly length: number;
  readonly schema;
  readonly classes;
  readonly parts: readonly number[];
  readonly partsAtOnce = Infinity;
  readonly blockSize: number;
  readonly poolSize: number;
  readonly #layout: TextLayout;
  readonly #segments: readonly Segment[];

  constructor(layout: TextLayout, segments: readonly Segment[]) {
    this.name = layout.name;
    this.vocabulary = layout.vocabulary;
    this.window = layout.window;
    this.stride = layout.stride;
    this.schema = {
      x: { type: 'int32', shape: [layout.window] },
      y: { type: 'int32', shape: [layout.window] },
    } as const;
    this.classes = { y: layout.vocabulary.size };
    this.#layout = layout;
    this.#segments = segments;
    this.parts = segments.map(({ from, to }) => windowsIn(to - from, layout.window, layout.stride));
    this.length = this.parts.reduce((sum, windows) => sum + windows, 0);
    this.poolSize = layout.shuffleBuffer;
    this.blockSize = Math.min(256, Math.ceil(layout.shuffleBuffer / 32)); // a pool mixes 32 places of the corpus or more
  }

  get shards(): readonly TextShard[] {
    return this.#layout.indexes.map(({ source, units }, shard) => ({
      name: source.name,
      bytes: source.bytes,
      units,
      windows: this.parts.reduce((sum, n, part) => (this.#segments[part]!.shard === shard ? sum + n : sum), 0),
    }));
  }

  samples(options: SampleOptions) {
    return streamSamples(`textCorpus(\`${this.name}\`)`, this, options);
  }

  split(options: SplitOptions = {}): Split<TextCorpus> {
    const where = `textCorpus(\`${this.name}\`)`;
    const parts = splitSegments(where, this.#segments, options);
    const train = new WindowedText({ ...this.#layout, name: `${this.name}/train` }, parts.train);
    const validation = new WindowedText({ ...this.#layout, name: `${this.name}/validation` }, parts.validation);
    expectSamples(where, 'train', train.length);
    expectSamples(where, 'validation', validation.length);
    return { train, validation };
  }

  async load(refs: readonly BlockRef[], signal?: AbortSignal): Promise<readonly TextBlock[]> {
    const blocks: TextBlock[] = [];
    const places = groupBy([...refs.keys()], (place) => this.#segments[refs[place]!.part]!.shard);
    await mapConcurrently([...places], async ([shard, members]) => {
      const reader = await this.#layout.indexes[shard]!.source.open(signal);
      try {
        for (const place of members) {
          signal?.throwIfAborted();
          blocks[place] = await this.#read(refs[place]!, reader);
        }
      } finally {
        await reader.close();
      }
    });
    return blocks;
  }

  async #read(ref: BlockRef, reader: OpenBytes): Promise<TextBlock> {
    const { window, stride } = this;
    const segment = this.#segments[ref.part]!;
    const index = this.#layout.indexes[segment.shard]!;
    const first = segment.from + ref.first * stride;
    const end = first + (ref.count - 1) * stride + window + 1;
    const ids = await readIds(index, reader, this.vocabulary, first, end);
    return new TextBlock(index.source.name, first, ids, window, stride);
  }
}
