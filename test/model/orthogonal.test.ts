import assert from 'node:assert/strict';
import { orthogonal } from '../../src/model/orthogonal.ts';

describe('orthogonal', () => {
  it('draws rows of length 1 that stand at right angles', () => {
    const size = 40;
    const matrix = orthogonal(size, 9);
    for (let i = 0; i < size; i++)
      for (let j = 0; j <= i; j++) {
        let product = 0;
        for (let k = 0; k < size; k++) product += matrix[i * size + k]! * matrix[j * size + k]!;
        assert.ok(Math.abs(product - (i === j ? 1 : 0)) < 1e-12);
      }
  });

  it('follows from its seed', () => {
    assert.deepEqual(orthogonal(4, 1), orthogonal(4, 1));
    assert.notDeepEqual(orthogonal(4, 1), orthogonal(4, 2));
  });
});
