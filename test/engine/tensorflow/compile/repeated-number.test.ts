import assert from 'node:assert/strict';
import { dataTypes } from '../../../../src/engine/tensorflow/binding/data-types.ts';
import { repeatedNumber } from '../../../../src/engine/tensorflow/compile/repeated-number.ts';

describe('repeatedNumber', () => {
  const { float32, int32, bool } = dataTypes;

  it('is the number that a large constant repeats, wherever its values lie', () => {
    assert.equal(repeatedNumber([8, 8], float32, new Float32Array(64).fill(0.1)), Math.fround(0.1));
    assert.equal(repeatedNumber([64], int32, new Int32Array(70).fill(-3).subarray(6)), -3);
    assert.equal(
      repeatedNumber(
        [64],
        float32,
        Array.from({ length: 64 }, () => 2),
      ),
      2,
    );
  });

  it('is nothing where one number differs, the first and the last too', () => {
    for (const place of [0, 1, 40, 63]) {
      const values = new Float32Array(64).fill(5);
      values[place] = 6;
      assert.equal(repeatedNumber([64], float32, values), undefined);
      assert.equal(repeatedNumber([64], float32, Array.from(values)), undefined);
    }
  });

  it('is nothing of small constants, other types, and values that do not fill the shape', () => {
    assert.equal(repeatedNumber([63], float32, new Float32Array(63)), undefined);
    assert.equal(repeatedNumber([64], bool, new Uint8Array(64)), undefined);
    assert.equal(repeatedNumber([65], float32, new Float32Array(64)), undefined);
  });
});
