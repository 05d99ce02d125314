import assert from 'node:assert/strict';
import { untilInterrupted } from '../../src/cli/interrupt.ts';

/** Work that only its signal ends, as fetching does. */
const endless = (signal: AbortSignal) =>
  new Promise<number>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  );

describe('untilInterrupted', () => {
  it('gives the exit code of the work, and leaves no listener', async () => {
    const before = process.listenerCount('SIGINT');
    assert.equal(await untilInterrupted(async () => 3), 3);
    assert.equal(process.listenerCount('SIGINT'), before);
  });

  it('gives the exit code of the signal that ended the work', async () => {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const told: string[] = [];
      const ended = untilInterrupted(endless, () => told.push(signal));
      process.emit(signal, signal);
      assert.equal(await ended, code);
      assert.deepEqual(told, [signal]);
    }
  });

  it('rethrows what goes wrong by itself', async () => {
    await assert.rejects(
      untilInterrupted(async () => {
        throw new Error('broken');
      }),
      /broken/,
    );
  });
});
