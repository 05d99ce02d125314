import assert from 'node:assert/strict';
import { firstLineOf, messageOf, OptionsError, TaustreamError } from '../src/errors.ts';

describe('TaustreamError', () => {
  it('is told apart by class and by code', () => {
    const error = new OptionsError('here: expected a, got b. Do c.', { got: 'b' });
    assert.ok(error instanceof TaustreamError);
    assert.equal(error.code, 'ERR_OPTIONS');
    assert.equal(error.name, 'OptionsError');
    assert.deepEqual(error.facts, { got: 'b' });
  });
});

describe('messageOf', () => {
  it('tells what was thrown, whatever that is', () => {
    assert.equal(messageOf(new Error('one\ntwo')), 'one\ntwo');
    assert.equal(messageOf('one\ntwo'), 'one\ntwo');
    assert.equal(messageOf(undefined), 'undefined');
  });

  it('has a first line', () => {
    assert.equal(firstLineOf(new Error('one\ntwo')), 'one');
    assert.equal(firstLineOf('one\ntwo'), 'one');
    assert.equal(firstLineOf(new Error('')), '');
  });
});
