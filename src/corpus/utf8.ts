import { ShardError } from '../errors.ts';

/** The byte order mark, which some editors put before a text; it is no part of it. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

/** Bytes at the start of `head` that are a byte order mark and no text: 3 or 0. */
export const markLength = (head: Uint8Array): number =>
  BYTE_ORDER_MARK.every((byte, i) => head[i] === byte) ? BYTE_ORDER_MARK.length : 0;

/** Bytes that a character takes in UTF-8. */
export const utf8Length = (codePoint: number): number => {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
};

/**
 * Decodes UTF-8 chunk by chunk into code points, wherever the chunks are cut: the state between two bytes is a few
 * numbers. It is strict, as WHATWG's decoder with `fatal`: no overlong forms, no surrogates, nothing past U+10FFFF.
 *
 * It exists because a `TextDecoder` yields strings, whose UTF-16 units are neither characters nor byte offsets.
 */
export class Utf8Decoder {
  readonly #shard: string;
  /** Position in the shard of the next byte. */
  #offset: number;
  /** Bytes still to come of the character under way, its value so far, and the range of its next byte. */
  #needed = 0;
  #value = 0;
  #lowest = 0x80;
  #highest = 0xbf;

  /** @param offset position in the shard of the first byte to be decoded, for messages */
  constructor(shard: string, offset = 0) {
    this.#shard = shard;
    this.#offset = offset;
  }

  /**
   * Decodes `bytes` into `codePoints`, which has room for `bytes.length` numbers.
   * @returns how many code points were written
   * @throws {ShardError} at the first byte that is not UTF-8
   */
  decode(bytes: Uint8Array, codePoints: Int32Array): number {
    let written = 0;
    for (let i = 0; i < bytes.length; i++) {
      if (this.#needed > 0) {
        if (this.#continue(bytes[i]!, i)) codePoints[written++] = this.#value;
        continue;
      }
      while (i < bytes.length && bytes[i]! < 0x80) codePoints[written++] = bytes[i++]!; // ASCII: most of most texts
      if (i < bytes.length) this.#begin(bytes[i]!, i);
    }
    this.#offset += bytes.length;
    return written;
  }

  /** @throws {ShardError} when the last character is incomplete */
  end(): void {
    if (this.#needed > 0) throw this.#malformed(0, 'the end');
  }

  #begin(byte: number, at: number): void {
    if (byte >= 0xc2 && byte <= 0xdf) this.#expect(1, byte & 0x1f);
    else if (byte >= 0xe0 && byte <= 0xef) {
      this.#expect(2, byte & 0x0f);
      if (byte === 0xe0) this.#lowest = 0xa0; // below: overlong
      if (byte === 0xed) this.#highest = 0x9f; // above: surrogates
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      this.#expect(3, byte & 0x07);
      if (byte === 0xf0) this.#lowest = 0x90; // below: overlong
      if (byte === 0xf4) this.#highest = 0x8f; // above: past U+10FFFF
    } else throw this.#malformed(at, hex(byte));
  }

  /** Takes one continuation byte; true when the character is complete. */
  #continue(byte: number, at: number): boolean {
    if (byte < this.#lowest || byte > this.#highest) throw this.#malformed(at, hex(byte));
    this.#lowest = 0x80;
    this.#highest = 0xbf;
    this.#value = (this.#value << 6) | (byte & 0x3f);
    this.#needed -= 1;
    return this.#needed === 0;
  }

  #expect(needed: number, value: number): void {
    this.#needed = needed;
    this.#value = value;
  }

  #malformed(at: number, got: string): ShardError {
    const offset = this.#offset + at;
    return new ShardError(
      `Text \`${this.#shard}\` at byte ${offset}: expected UTF-8, got ${got}. ` +
        "Convert the file to UTF-8, or read it with `unit: 'byte'`.",
      { shard: this.#shard, offset, expected: 'UTF-8', got },
    );
  }
}

const hex = (byte: number) => `0x${byte.toString(16).padStart(2, '0')}`;
