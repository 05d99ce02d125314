import type { ByteSource } from './byte-source.ts';
import { markLength, Utf8Decoder, utf8Length } from './utf8.ts';

/** Where the units (characters or bytes) of one text lie, so that any of them can be read without those before. */
export interface TextIndex {
  readonly source: ByteSource;
  /** Characters or bytes in the text. */
  readonly units: number;
  /** The bytes that hold units `[from, to)`: read `[start, end)`, decode, skip `skip` units. */
  locate(from: number, to: number): { readonly start: number; readonly end: number; readonly skip: number };
}

/** Characters between two known byte positions: 8 bytes of memory for each. */
const CHARACTERS_PER_MARK = 8192;
const CHUNK_BYTES = 2 ** 20;

/** Every byte is a unit: nothing has to be looked up. */
export const indexBytes = (source: ByteSource): TextIndex => ({
  source,
  units: source.bytes,
  locate: (start, end) => ({ start, end, skip: 0 }),
});

/**
 * Reads a text once, chunk by chunk: counts its characters, notes the byte position of every 8,192nd one, and marks
 * which characters occur.
 *
 * @param seen one flag a code point, [0x110000]
 * @throws {ShardError} when the text is not UTF-8
 */
export async function indexCharacters(source: ByteSource, seen: Uint8Array, signal?: AbortSignal): Promise<TextIndex> {
  const marks: number[] = [];
  let at: Place = { characters: 0, offset: 0 };
  for await (const { codePoints, skippedBytes } of decodedChunks(source, signal)) {
    at = note(codePoints, { ...at, offset: at.offset + skippedBytes }, marks, seen);
  }
  return {
    source,
    units: at.characters,
    locate(from, to) {
      const mark = Math.floor(from / CHARACTERS_PER_MARK);
      const end = marks[Math.ceil(to / CHARACTERS_PER_MARK)] ?? source.bytes;
      return { start: marks[mark]!, end, skip: from - mark * CHARACTERS_PER_MARK };
    },
  };
}

interface Place {
  readonly characters: number;
  readonly offset: number;
}

/**
 * Goes over the characters of one chunk, from a place to the next. A function of its own: inside the
 * asynchronous loop it runs at two thirds of the speed.
 */
function note(codePoints: Int32Array, { characters, offset }: Place, marks: number[], seen: Uint8Array): Place {
  for (let i = 0; i < codePoints.length; i++) {
    const codePoint = codePoints[i]!;
    if ((characters + i) % CHARACTERS_PER_MARK === 0) marks.push(offset);
    seen[codePoint] = 1;
    offset += codePoint < 0x80 ? 1 : utf8Length(codePoint);
  }
  return { characters: characters + codePoints.length, offset };
}

interface DecodedChunk {
  /** Borrowed: valid until the next chunk. */
  readonly codePoints: Int32Array;
  /** Bytes before it that are no text: a byte order mark. */
  readonly skippedBytes: number;
}

async function* decodedChunks(source: ByteSource, signal?: AbortSignal): AsyncGenerator<DecodedChunk> {
  const reader = await source.open(signal);
  try {
    const mark = markLength(await reader.read(0, Math.min(3, source.bytes)));
    const decoder = new Utf8Decoder(source.name, mark);
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, source.bytes)); // one for all: a pass leaves no garbage behind
    const room = new Int32Array(chunk.length);
    for (let from = mark; from < source.bytes; from += CHUNK_BYTES) {
      signal?.throwIfAborted();
      const bytes = await reader.read(from, Math.min(from + CHUNK_BYTES, source.bytes), chunk);
      const written = decoder.decode(bytes, room);
      yield { codePoints: room.subarray(0, written), skippedBytes: from === mark ? mark : 0 };
    }
    decoder.end();
  } finally {
    await reader.close();
  }
}
