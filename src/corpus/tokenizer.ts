import { readFile } from 'node:fs/promises';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { CorpusError, messageOf } from '../errors.ts';

/** Turns text into numbers. 0 pads; a tokenizer that is built from text has 1 for what it does not know. */
export interface Tokenizer {
  readonly name: string;
  /** Ids lie in [0, size). */
  readonly size: number;
  /** The id that fills up what is too short. */
  readonly pad: number;
  /** @returns owned by the caller */
  encode(this: void, text: string): ArrayLike<number>;
  decode(this: void, ids: ArrayLike<number>): string;
}

const encoder = new TextEncoder();

/**
 * Each UTF-8 byte is its number and 1 more.
 *
 * @example
 * byteTokenizer.encode('Ahab'); // [66, 105, 98, 99]
 */
export const byteTokenizer: Tokenizer = {
  name: 'byte',
  size: 257,
  pad: 0,
  encode: (text) => {
    const bytes = encoder.encode(text);
    const ids = new Int32Array(bytes.length);
    for (let i = 0; i < ids.length; i++) ids[i] = bytes[i]! + 1; // `from` with a function takes ten times as long
    return ids;
  },
  decode: (ids) =>
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(
      Uint8Array.from(
        Array.from(ids).filter((id) => id > 0),
        (id) => id - 1,
      ),
    ),
};

const characters = (text: string): string[] => Array.from(text);
/** Words as runs of letters, marks and digits; any other character that is no space is a word of its own. */
const words = (text: string): string[] => text.match(/[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_]/gu) ?? [];
const units = { character: { cut: characters, joint: '' }, word: { cut: words, joint: ' ' } } as const;

/** Counts what texts are made of, to build a tokenizer of the most frequent pieces. */
export class VocabularyBuilder {
  readonly #unit: keyof typeof units;
  readonly #counts = new Map<string, number>();

  constructor(unit: keyof typeof units) {
    this.#unit = unit;
  }

  add(text: string): void {
    for (const piece of units[this.#unit].cut(text)) this.#counts.set(piece, (this.#counts.get(piece) ?? 0) + 1);
  }

  /** @param limit ids at most, with those of padding and the unknown: the rarest pieces are unknown */
  build(limit: number): Tokenizer {
    return pieceTokenizer(this.#unit, this.pieces(limit - 2));
  }

  /** The most frequent pieces, from the most frequent on. */
  pieces(limit: number): string[] {
    const byCount = [...this.#counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    return byCount.slice(0, Math.max(0, limit)).map(([piece]) => piece);
  }
}

/**
 * Counts what texts are made of: the pieces for a `pieceTokenizer`, from the most frequent on.
 * @param limit pieces at most
 * @example const tokenizer = pieceTokenizer('word', frequentPieces('word', ['a whale', 'a white whale'], 8000));
 */
export function frequentPieces(unit: keyof typeof units, texts: Iterable<string>, limit: number): string[] {
  const builder = new VocabularyBuilder(unit);
  for (const text of texts) builder.add(text);
  return builder.pieces(limit);
}

/**
 * A tokenizer of these pieces: the first has id 2.
 *
 * @example
 * pieceTokenizer('word', ['call', 'me']).encode('call me Ishmael'); // [2, 3, 1]: 1 stands for what is not known
 */
export function pieceTokenizer(unit: keyof typeof units, pieces: readonly string[]): Tokenizer {
  const { cut, joint } = units[unit];
  const ids = new Map(pieces.map((piece, i) => [piece, i + 2]));
  return {
    name: unit,
    size: pieces.length + 2,
    pad: 0,
    encode: (text) => Int32Array.from(cut(text), (piece) => ids.get(piece) ?? 1),
    decode: (numbers) =>
      Array.from(numbers)
        .filter((id) => id !== 0)
        .map((id) => pieces[id - 2] ?? '\uFFFD')
        .join(joint),
  };
}

/**
 * Reads a `tokenizer.json` as Hugging Face's libraries write it: BPE, WordPiece or Unigram, with its normaliser and
 * pre-tokenizer. Special tokens are not added.
 *
 * @throws {CorpusError} when the file cannot be read or is none
 * @example const tokenizer = await loadTokenizer('gpt2/tokenizer.json');
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  try {
    const json: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof json !== 'object' || json === null || !('model' in json)) throw new Error('JSON without a `model`');
    const own = new HuggingFaceTokenizer(json, {});
    const vocabulary = own.get_vocab();
    const pad = ['[PAD]', '<pad>', '<|endoftext|>']
      .map((token) => own.token_to_id(token))
      .find((id) => id !== undefined);
    return {
      name: path,
      size: [...vocabulary.values()].reduce((most, id) => Math.max(most, id), -1) + 1, // too many to be arguments
      pad: pad ?? 0,
      encode: (text) => own.encode(text, { add_special_tokens: false }).ids,
      decode: (ids) => own.decode(Array.from(ids), { skip_special_tokens: false }),
    };
  } catch (cause) {
    throw new CorpusError(
      `loadTokenizer(\`${path}\`): expected a tokenizer.json, got ${messageOf(cause)}. Check the path.`,
      { path },
      { cause },
    );
  }
}
