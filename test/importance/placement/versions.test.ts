import assert from 'node:assert/strict';
import { Versions } from '../../../src/importance/placement/versions.ts';

const recording = () => {
  const dropped: string[] = [];
  let taken = 0;
  const versions = new Versions<string>(
    () => `taken ${taken++}`,
    (kept) => dropped.push(kept),
  );
  return { versions, dropped };
};

describe('Versions', () => {
  it('takes a version once, and keeps it while it is used', () => {
    const { versions, dropped } = recording();
    versions.retain(3);
    versions.retain(3);
    versions.retain(8);
    assert.equal(versions.of(3), 'taken 0');
    versions.release(3);
    assert.deepEqual(dropped, []);
    versions.release(3);
    assert.deepEqual(dropped, ['taken 0']);
    assert.equal(versions.of(8), 'taken 1');
  });

  it('keeps the newest though nobody uses it, until there is a newer one', () => {
    const { versions, dropped } = recording();
    versions.retain(1);
    versions.release(1);
    versions.retain(1);
    versions.release(1);
    assert.deepEqual(dropped, []);
    versions.retain(2);
    assert.deepEqual(dropped, ['taken 0']);
    assert.equal(versions.size, 1);
  });

  it('drops all when it is cleared, and takes a late release', () => {
    const { versions, dropped } = recording();
    versions.retain(1);
    versions.retain(2);
    versions.clear();
    versions.release(1);
    assert.deepEqual(dropped, ['taken 0', 'taken 1']);
  });
});
