import assert from 'node:assert/strict';
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../../src/engine/half.ts';

describe('float16', () => {
  it('reads the values that IEEE 754 gives', () => {
    for (const [bits, value] of [
      [0x0000, 0],
      [0x8000, -0],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3555, 0.333251953125],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
      [0x7c00, Infinity],
    ] as const) {
      assert.ok(Object.is(fromFloat16(bits), value), `${bits.toString(16)} is ${fromFloat16(bits)}`);
    }
  });

  it('writes every value back as it was', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromFloat16(bits);
      if (!Number.isNaN(value)) assert.equal(toFloat16(value), bits);
    }
    assert.ok(Number.isNaN(fromFloat16(toFloat16(NaN))));
  });

  it('rounds to the nearest, ties to even', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const below = fromFloat16(bits);
      const above = fromFloat16(bits + 1);
      assert.equal(toFloat16((below + above) / 2), bits + (bits % 2));
      assert.equal(toFloat16(below + (above - below) * 0.49), bits);
      assert.equal(toFloat16(below + (above - below) * 0.51), bits + 1);
    }
    assert.equal(toFloat16(65519.9), 0x7bff);
    assert.equal(toFloat16(65520), 0x7c00);
  });
});

describe('bfloat16', () => {
  it('is the upper half of a float32, rounded to even', () => {
    assert.equal(toBfloat16(1), 0x3f80);
    assert.equal(fromBfloat16(0x4049), 3.140625);
    assert.equal(toBfloat16(1 + 2 ** -8), 0x3f80);
    assert.equal(toBfloat16(1 + 3 * 2 ** -8), 0x3f82);
    assert.equal(toBfloat16(-Infinity), 0xff80);
    assert.ok(Number.isNaN(fromBfloat16(toBfloat16(NaN))));
  });
});
