import assert from 'node:assert/strict';
import { expectToken, isLoopback, isSameToken } from '../src/access.ts';

describe('isLoopback', () => {
  it('knows the names of this machine, and no name that only begins like one', () => {
    for (const host of ['localhost', '127.0.0.1', '127.8.8.8', '::1']) assert.equal(isLoopback(host), true, host);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.example.org', ''])
      assert.equal(isLoopback(host), false, host);
  });
});

describe('expectToken', () => {
  it('asks for a token where other machines can connect', () => {
    expectToken('here()', '127.0.0.1', '');
    expectToken('here()', '0.0.0.0', 'secret');
    assert.throws(() => expectToken('here()', '0.0.0.0', ''), {
      code: 'ERR_OPTIONS',
      message: /^here\(\): .*0\.0\.0\.0/,
    });
  });
});

describe('isSameToken', () => {
  it('compares tokens of any lengths', () => {
    assert.equal(isSameToken('one', 'one'), true);
    assert.equal(isSameToken('one', 'One'), false);
    assert.equal(isSameToken('one', 'one and more'), false);
  });
});
