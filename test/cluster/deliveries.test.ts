import assert from 'node:assert/strict';
import { Deliveries } from '../../src/cluster/deliveries.ts';

describe('Deliveries', () => {
  it('lets one be under way while its sender goes on, and answers with the verdict on the one before', async () => {
    const deliveries = new Deliveries<'taken' | 'stale'>();
    let answer = (_verdict: 'taken'): void => {};
    const first = new Promise<'taken'>((resolve) => (answer = resolve));
    assert.equal(await deliveries.begin('taken', () => first), undefined); // not waited for
    let begun = false;
    const second = deliveries.begin('taken', async () => {
      begun = true;
      return 'stale';
    });
    await new Promise(setImmediate);
    assert.equal(begun, false, 'one at a time');
    answer('taken');
    assert.equal(await second, 'taken');
    assert.equal(begun, true);
    assert.equal(await deliveries.begin('taken', () => assert.fail('after a refusal nothing is sent')), 'stale');
    assert.equal(await deliveries.settled(), undefined);
  });

  it('throws where it is waited for, and not before', async () => {
    const deliveries = new Deliveries<'taken'>();
    await deliveries.begin('taken', () => Promise.reject(new Error('the line is cut')));
    await new Promise(setImmediate);
    await assert.rejects(deliveries.settled(), /the line is cut/);
    assert.equal(await deliveries.settled(), undefined);
  });
});
