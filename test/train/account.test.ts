import assert from 'node:assert/strict';
import { Account } from '../../src/train/account.ts';

describe('Account', () => {
  it('knows the best validation, which one without a loss that is a number never is', () => {
    const bestOf = (...losses: number[]) => {
      const account = new Account();
      for (const loss of losses) account.addValidation({ loss });
      return account.summary({ stoppedBy: 'steps', seconds: 1, epochs: 1 }).validation.best!['loss'];
    };
    assert.equal(bestOf(2, 1, 3), 1);
    assert.equal(bestOf(Number.NaN, 2, 3), 2);
    assert.equal(bestOf(2, Number.NaN, 3), 2);
  });
});
