import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { CorpusError, messageOf } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { writeAtomically } from '../atomic-file.ts';

/** What to do with a character that the vocabulary does not know: stop, or give it the id 0, kept for this. */
export type UnknownPolicy = 'error' | 'token';

/** What `toJSON` gives and `parseVocabulary` takes: saved beside a model, so that it can read and write text later. */
export const VocabularyJson = z.discriminatedUnion('unit', [
  z.strictObject({ format: z.literal('taustream-vocabulary'), version: z.literal(1), unit: z.literal('byte') }),
  z.strictObject({
    format: z.literal('taustream-vocabulary'),
    version: z.literal(1),
    unit: z.literal('character'),
    unknown: z.enum(['error', 'token']),
    /** Every known character once, by code point. */
    characters: z.string().min(1),
  }),
]);
export type VocabularyJson = z.output<typeof VocabularyJson>;

/** Numbers for the units of a text, and the way back. */
export interface Vocabulary {
  readonly unit: 'character' | 'byte';
  /** Ids lie in `[0, size)`. */
  readonly size: number;
  /**
   * Turns a text into ids.
   * @throws {CorpusError} at a character that is unknown, when the policy is `'error'`
   */
  encode(text: string): Int32Array;
  /** Turns ids back into text; the unknown token and bytes that are no UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>): string;
  toJSON(): VocabularyJson;
}

const UNKNOWN_TOKEN = '\uFFFD';
const NONE = -1;

/**
 * Numbers for the characters (code points) of a text, in the order of their code points.
 *
 * @example
 * const vocabulary = new CharacterVocabulary([97, 101, 104, 108, 119]);
 * vocabulary.decode(vocabulary.encode('whale')); // 'whale'
 */
export class CharacterVocabulary implements Vocabulary {
  readonly unit = 'character';
  readonly size: number;
  readonly unknown: UnknownPolicy;
  readonly #characters: readonly string[];
  /** Id by code point up to U+FFFF; the few characters above are in the map. */
  readonly #ids: Int32Array;
  readonly #highIds = new Map<number, number>();
  readonly #first: number;

  /** @param codePoints each known character once, in any order */
  constructor(codePoints: readonly number[], unknown: UnknownPolicy = 'error') {
    const sorted = [...new Set(codePoints)].toSorted((a, b) => a - b);
    this.unknown = unknown;
    this.#first = unknown === 'token' ? 1 : 0;
    this.size = sorted.length + this.#first;
    this.#characters = sorted.map((codePoint) => String.fromCodePoint(codePoint));
    const low = sorted.filter((codePoint) => codePoint <= 0xffff);
    this.#ids = new Int32Array((low.at(-1) ?? -1) + 1).fill(unknown === 'token' ? 0 : NONE);
    sorted.forEach((codePoint, i) => {
      if (codePoint <= 0xffff) this.#ids[codePoint] = i + this.#first;
      else this.#highIds.set(codePoint, i + this.#first);
    });
  }

  /** The id of a character; -1 when it is unknown and the policy is `'error'`. */
  idOf(codePoint: number): number {
    if (codePoint < this.#ids.length) return this.#ids[codePoint]!;
    return this.#highIds.get(codePoint) ?? (this.unknown === 'token' ? 0 : NONE);
  }

  encode(text: string): Int32Array {
    return this.encodeInPlace(
      Int32Array.from(text, (character) => character.codePointAt(0)!),
      (at) => `encode(text) at character ${at}`,
    );
  }

  /**
   * Replaces code points by ids.
   * @param where names the place of a character for messages
   * @throws {CorpusError} at a character that is unknown, when the policy is `'error'`
   */
  encodeInPlace(codePoints: Int32Array, where: (at: number) => string): Int32Array {
    for (let i = 0; i < codePoints.length; i++) {
      const codePoint = codePoints[i]!;
      const id = codePoint < this.#ids.length ? this.#ids[codePoint]! : this.idOf(codePoint);
      if (id === NONE) throw unknownCharacter(where(i), codePoint, this.size);
      codePoints[i] = id;
    }
    return codePoints;
  }

  decode(ids: ArrayLike<number>): string {
    let text = '';
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      text += this.#characters[id - this.#first] ?? this.#tokenFor(id);
    }
    return text;
  }

  toJSON(): VocabularyJson {
    const { unit, unknown } = this;
    return { format: 'taustream-vocabulary', version: 1, unit, unknown, characters: this.#characters.join('') };
  }

  #tokenFor(id: number): string {
    if (id === 0 && this.unknown === 'token') return UNKNOWN_TOKEN;
    throw new CorpusError(
      `decode(ids): expected ids in [0, ${this.size}), got ${id}. Use the vocabulary that the ids came from.`,
      { expected: this.size, got: id },
    );
  }
}

/**
 * The 256 bytes, each its own number: needs no pass over the text and knows no unknown.
 *
 * @example
 * byteVocabulary.encode('Ahab'); // Int32Array [65, 104, 97, 98]
 */
export const byteVocabulary: Vocabulary = {
  unit: 'byte',
  size: 256,
  encode: (text) => new Int32Array(new TextEncoder().encode(text)),
  decode: (ids) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(ids)),
  toJSON: () => ({ format: 'taustream-vocabulary', version: 1, unit: 'byte' }),
};

/**
 * Builds a vocabulary from its JSON.
 * @throws {OptionsError} when it is not one
 * @example const vocabulary = parseVocabulary(JSON.parse(text));
 */
export function parseVocabulary(json: unknown): Vocabulary {
  const parsed = parseOptions('parseVocabulary(json)', VocabularyJson, json);
  if (parsed.unit === 'byte') return byteVocabulary;
  const codePoints = Array.from(parsed.characters, (character) => character.codePointAt(0)!);
  return new CharacterVocabulary(codePoints, parsed.unknown);
}

/**
 * Saves a vocabulary as JSON, under a temporary name first, so that no reader sees half of it.
 *
 * @example
 * await saveVocabulary('vocabulary.json', byteVocabulary);
 */
export const saveVocabulary = (path: string, vocabulary: Vocabulary): Promise<void> =>
  writeAtomically(path, `${JSON.stringify(vocabulary, null, 2)}\n`);

/**
 * Loads a vocabulary saved by `saveVocabulary`.
 * @throws {CorpusError} when the file cannot be read or holds no JSON
 * @throws {OptionsError} when the JSON is not a vocabulary
 * @example
 * const vocabulary = await loadVocabulary('runs/moby-dick/model/vocabulary.json');
 */
export async function loadVocabulary(path: string): Promise<Vocabulary> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new CorpusError(
      `loadVocabulary(\`${path}\`): expected a vocabulary saved as JSON, got ${messageOf(cause)}. ` +
        'Check the path, or save one with `saveVocabulary`.',
      { path },
      { cause },
    );
  }
  return parseVocabulary(json);
}

const unknownCharacter = (where: string, codePoint: number, size: number) => {
  const got = `${JSON.stringify(String.fromCodePoint(codePoint))} (U+${codePoint.toString(16).toUpperCase().padStart(4, '0')})`;
  return new CorpusError(
    `${where}: expected one of the vocabulary's ${size} characters, got ${got}. ` +
      "Build the vocabulary from all of the text, or with `unknown: 'token'`.",
    { where, got },
  );
};
