import assert from 'node:assert/strict';
import { Sparkline } from '../../src/report/sparkline.ts';

const curve = (values: number[], width = 8) => {
  const line = new Sparkline(width);
  for (const value of values) line.add(value);
  return line.toString();
};

describe('Sparkline', () => {
  it('spans from the lowest to the highest value', () => {
    assert.equal(curve([0, 1, 2, 3, 4, 5, 6, 7]), '▁▂▃▄▅▆▇█');
    assert.equal(curve([5, 5, 5]), '▁▁▁');
    assert.equal(curve([]), '');
  });

  it('shows the means of equal shares when there are more values than room', () => {
    const falling = Array.from({ length: 8 * 64 }, (_, i) => -i);
    assert.equal(curve(falling), '█▇▆▅▄▃▂▁');
    for (let length = 0; length < 200; length++) assert.ok(curve(falling.slice(0, length)).length <= 8);
  });

  it('passes over what is not a number', () => assert.equal(curve([0, Number.NaN, 7, Infinity]), '▁█'));
});
