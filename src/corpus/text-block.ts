import type { Sample, SampleRows } from '../stream/sample.ts';
import type { OpenBytes } from './byte-source.ts';
import type { Block } from './blocks.ts';
import type { TextIndex } from './text-index.ts';
import { Utf8Decoder } from './utf8.ts';
import { CharacterVocabulary, type Vocabulary } from './vocabulary.ts';

/** Reads units `[from, to)` of a text as ids. @returns owned by the caller */
export async function readIds(
  index: TextIndex,
  reader: OpenBytes,
  vocabulary: Vocabulary,
  from: number,
  to: number,
): Promise<Int32Array> {
  const { start, end, skip } = index.locate(from, to);
  const bytes = await reader.read(start, end);
  if (!(vocabulary instanceof CharacterVocabulary)) return new Int32Array(bytes);
  const room = new Int32Array(bytes.length);
  new Utf8Decoder(index.source.name, start).decode(bytes, room);
  const codePoints = room.slice(skip, skip + to - from); // not a view: a view would keep all of `room`
  return vocabulary.encodeInPlace(codePoints, (at) => `Text \`${index.source.name}\` at character ${from + at}`);
}

/** Windows over a stretch of text. Windows that overlap share its memory until they are asked for. */
export class TextBlock implements Block {
  readonly count: number;
  readonly #shard: string;
  readonly #first: number;
  readonly #ids: Int32Array;
  readonly #window: number;
  readonly #stride: number;

  /** @param first unit of the shard that `ids[0]` is */
  constructor(shard: string, first: number, ids: Int32Array, window: number, stride: number) {
    this.count = windowsIn(ids.length, window, stride);
    this.#shard = shard;
    this.#first = first;
    this.#ids = ids;
    this.#window = window;
    this.#stride = stride;
  }

  sample(index: number): Sample {
    const start = index * this.#stride;
    const end = start + this.#window;
    return {
      id: `${this.#shard}:${this.#first + start}`,
      x: this.#ids.slice(start, end), // [T]
      y: this.#ids.slice(start + 1, end + 1), // [T], one step later
    };
  }

  write(index: number, columns: SampleRows['columns'], row: number): string {
    const start = index * this.#stride;
    const [x, y] = [columns['x']!, columns['y']!];
    const ids = this.#ids;
    let to = row * this.#window;
    for (let from = start; from < start + this.#window; from++, to++) {
      x[to] = ids[from]!;
      y[to] = ids[from + 1]!;
    }
    return `${this.#shard}:${this.#first + start}`;
  }
}

/** Windows that fit into so many units; each takes one unit more than it is long, its last target. */
export const windowsIn = (units: number, window: number, stride: number): number =>
  units <= window ? 0 : Math.floor((units - window - 1) / stride) + 1;
