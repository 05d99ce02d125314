import assert from 'node:assert/strict';
import { SharedWork } from '../../src/corpus/shared-work.ts';

/** Work that ends when it is told to, or when nobody waits for it. */
function sharedWork() {
  let finish: (value: string) => void = () => {};
  let stopped: AbortSignal | undefined;
  const work = new SharedWork(async (signal) => {
    stopped = signal;
    return new Promise<string>((resolve, reject) => {
      finish = resolve;
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  });
  return { work, finish: (value: string) => finish(value), isStopped: () => stopped!.aborted };
}

describe('SharedWork', () => {
  const reason = new Error('enough');

  it('goes on for those who wait when one leaves', async () => {
    const { work, finish, isStopped } = sharedWork();
    const leaving = new AbortController();
    const waiting = [work.result(leaving.signal), work.result(), work.result(new AbortController().signal)];
    leaving.abort(reason);
    await assert.rejects(waiting[0]!, reason);
    assert.ok(!isStopped() && !work.isAbandoned);
    finish('done');
    assert.deepEqual(await Promise.all(waiting.slice(1)), ['done', 'done']);
    assert.equal(await work.result(), 'done');
  });

  it('ends when the last one leaves', async () => {
    const { work, isStopped } = sharedWork();
    const leaving = new AbortController();
    const waiting = [work.result(leaving.signal), work.result(leaving.signal)];
    leaving.abort(reason);
    for (const result of waiting) await assert.rejects(result, reason);
    assert.ok(isStopped() && work.isAbandoned);
  });

  it('throws what the work throws, to each who waits', async () => {
    const failing = new SharedWork(() => Promise.reject(reason));
    for (const result of [failing.result(), failing.result(new AbortController().signal)])
      await assert.rejects(result, reason);
    assert.ok(!failing.isAbandoned);
  });
});
