import assert from 'node:assert/strict';
import { OptionsError, TaustreamError } from '../src/errors.ts';

describe('TaustreamError', () => {
  it('is told apart by class and by code', () => {
    const error = new OptionsError('here: expected a, got b. Do c.', { got: 'b' });
    assert.ok(error instanceof TaustreamError);
    assert.equal(error.code, 'ERR_OPTIONS');
    assert.equal(error.name, 'OptionsError');
    assert.deepEqual(error.facts, { got: 'b' });
  });
});
