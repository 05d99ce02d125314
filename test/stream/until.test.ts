import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { unlessAborted } from '../../src/stream/unless-aborted.ts';
import { until } from '../../src/stream/until.ts';
import { collectGarbage } from '../collect-garbage.ts';

async function* counting(end: number): AsyncGenerator<{ readonly number: number }> {
  for (let number = 0; number < end; number++) yield { number };
}

/** A source that gives one item, and then nothing for ever. */
async function* stalling(): AsyncGenerator<number> {
  yield 1;
  await new Promise(() => {});
}

describe('until', () => {
  it('passes on all items, with a signal or without one', async () => {
    for (const signal of [undefined, new AbortController().signal]) {
      const numbers: number[] = [];
      for await (const { number } of until(counting(3), signal)) numbers.push(number);
      assert.deepEqual(numbers, [0, 1, 2]);
    }
  });

  it('ends with an abort, also while it waits, and before it has begun', async () => {
    const stop = new AbortController();
    const items: number[] = [];
    for await (const item of until(stalling(), stop.signal)) {
      items.push(item);
      setImmediate(() => stop.abort());
    }
    assert.deepEqual(items, [1]);
    for await (const item of until(stalling(), stop.signal)) assert.fail(`got ${item}`);
  });

  it("rethrows the source's error", async () => {
    async function* failing(): AsyncGenerator<number> {
      yield 1;
      throw new Error('broken');
    }
    const taken = async () => {
      for await (const item of until(failing(), new AbortController().signal)) assert.equal(item, 1);
    };
    await assert.rejects(taken, /broken/);
  });

  it('holds on to no item that it has passed on', async () => {
    const stop = new AbortController();
    const passed: WeakRef<object>[] = [];
    for await (const item of until(counting(50), stop.signal)) {
      passed.push(new WeakRef(item));
      if (passed.length < 50) continue;
      await turn(); // a weak reference is strong until the end of its job
      collectGarbage();
      const alive = passed.filter((reference) => reference.deref() !== undefined).length;
      assert.ok(alive <= 2, `${alive} of 50 items are alive`);
    }
    assert.equal(getEventListeners(stop.signal, 'abort').length, 0);
  });
});

describe('unlessAborted', () => {
  it("gives what the promise gives, or throws its error or the signal's reason", async () => {
    const { signal } = new AbortController();
    assert.equal(await unlessAborted(Promise.resolve(3), signal), 3);
    await assert.rejects(unlessAborted(Promise.reject(new Error('broken')), signal), /broken/);
    const gone = AbortSignal.abort(new Error('gone'));
    await assert.rejects(unlessAborted(Promise.resolve(3), gone), /gone/);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });
});
