import assert from 'node:assert/strict';
import { bytes, duration, percent, significant, whole, words } from '../../src/report/format.ts';

describe('format', () => {
  it('writes numbers as people read them', () => {
    assert.deepEqual([12_345.6, 0].map(whole), ['12,346', '0']);
    assert.deepEqual(
      [1.23456, 12.3456, 123.456, 12_345, 0.01234, 0, 1.5e-7, 2.5e9, -1.5, Number.NaN].map(significant),
      ['1.235', '12.346', '123.5', '12,345', '0.0123', '0.0000', '1.50e-7', '2.50e+9', '-1.500', 'NaN'],
    );
    assert.deepEqual([0, 0.004, 0.0994, 0.0996, 0.5, 1].map(percent), [
      '0 %',
      '0.4 %',
      '9.9 %',
      '10 %',
      '50 %',
      '100 %',
    ]);
    assert.deepEqual([0, 9.94, 59.6, 95, 3599.7, 7260, Infinity].map(duration), [
      '0.0 s',
      '9.9 s',
      '1 min 0 s',
      '1 min 35 s',
      '1 h 0 min',
      '2 h 1 min',
      'unknown',
    ]);
    assert.deepEqual([0, 999, 1500, 123_456_789, 5.5e12].map(bytes), ['0 B', '999 B', '1.5 kB', '123 MB', '5.5 TB']);
    assert.deepEqual(['loss', 'bitsPerCharacter'].map(words), ['loss', 'bits per character']);
  });
});
