import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ShardError } from '../../src/errors.ts';
import { markLength, Utf8Decoder, utf8Length } from '../../src/corpus/utf8.ts';

/** Decodes `bytes` in the given pieces. */
function decode(bytes: Uint8Array, cuts: readonly number[]): number[] {
  const decoder = new Utf8Decoder('shard');
  const places = [0, ...[...new Set(cuts.filter((cut) => cut < bytes.length))].toSorted((a, b) => a - b), bytes.length];
  const codePoints: number[] = [];
  for (let i = 1; i < places.length; i++) {
    const piece = bytes.subarray(places[i - 1], places[i]);
    const room = new Int32Array(piece.length);
    codePoints.push(...room.subarray(0, decoder.decode(piece, room)));
  }
  decoder.end();
  return codePoints;
}

const codePointsOf = (text: string) => Array.from(text, (character) => character.codePointAt(0)!);
const cutsArbitrary = fc.array(fc.nat(400), { maxLength: 40 });

describe('Utf8Decoder', () => {
  it('decodes any text, wherever its bytes are cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), cutsArbitrary, (text, cuts) => {
        assert.deepEqual(decode(new TextEncoder().encode(text), cuts), codePointsOf(text));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('decodes a character of each length, cut at each of its bytes', () => {
    const text = 'aé—😀';
    const bytes = new TextEncoder().encode(text);
    for (let cut = 0; cut <= bytes.length; cut++) assert.deepEqual(decode(bytes, [cut]), codePointsOf(text));
  });

  it('takes and refuses the same bytes as TextDecoder with fatal', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      fc.constantFrom('é', '—', '😀', 'a').map((text) => new TextEncoder().encode(text)),
      fc.constantFrom(
        [0xe0, 0x80, 0x80],
        [0xed, 0xa0, 0x80],
        [0xf0, 0x80, 0x80, 0x80],
        [0xf4, 0x90, 0x80, 0x80],
        [0xc1, 0x80],
      ),
    );
    const bytesArbitrary = fc
      .array(piece, { maxLength: 8 })
      .map((pieces) => Uint8Array.from(pieces.flatMap((p) => [...p])));
    let refused = 0;
    fc.assert(
      fc.property(bytesArbitrary, cutsArbitrary, (bytes, cuts) => {
        let expected: number[] | undefined;
        try {
          expected = codePointsOf(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
        } catch {
          refused += 1;
        }
        if (expected) assert.deepEqual(decode(bytes, cuts), expected);
        else assert.throws(() => decode(bytes, cuts), ShardError);
      }),
      { seed: 2, numRuns: 1000 },
    );
    assert.ok(refused > 100 && refused < 900, `both sides are tried: ${refused} of 1000 refused`);
  });

  it('names the shard and the byte that is not UTF-8', () => {
    const decoder = new Utf8Decoder('a.txt', 100);
    decoder.decode(Uint8Array.of(0x61, 0x62), new Int32Array(2));
    assert.throws(() => decoder.decode(Uint8Array.of(0x63, 0xff), new Int32Array(2)), {
      code: 'ERR_SHARD',
      message:
        "Text `a.txt` at byte 103: expected UTF-8, got 0xff. Convert the file to UTF-8, or read it with `unit: 'byte'`.",
      facts: { shard: 'a.txt', offset: 103, expected: 'UTF-8', got: '0xff' },
    });
  });

  it('refuses an end inside a character', () => {
    assert.throws(() => decode(Uint8Array.of(0x61, 0xe2, 0x80), []), { code: 'ERR_SHARD', message: /got the end\./ });
  });
});

describe('utf8Length', () => {
  it('is the length of the encoded character', () => {
    for (const character of ['a', '\x7f', '\x80', '\u07ff', '\u0800', '\uffff', '😀', '\u{10ffff}'])
      assert.equal(utf8Length(character.codePointAt(0)!), new TextEncoder().encode(character).length);
  });
});

describe('markLength', () => {
  it('is 3 for a byte order mark and 0 for anything else', () => {
    assert.equal(markLength(new TextEncoder().encode('\uFEFFa').subarray(0, 3)), 3);
    assert.equal(markLength(new TextEncoder().encode('abc')), 0);
    assert.equal(markLength(Uint8Array.of(0xef, 0xbb)), 0);
  });
});
