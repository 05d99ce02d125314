import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { FrameReader, frameKinds } from '../../src/consumer/frames.ts';
import { writeMinibatches } from '../../src/consumer/write-minibatches.ts';
import { clusters } from '../train/toy.ts';

const sizes = { presampleSize: 24, batchSize: 8, seed: 7 } as const;

describe('writeMinibatches', () => {
  it('reads the corpus no faster than its output takes', async () => {
    const { corpus, seen } = clusters();
    const waiting: (() => void)[] = [];
    const stalled = new Writable({ highWaterMark: 1, writev: (_, done) => waiting.push(done) });
    const written = writeMinibatches(corpus, sizes, stalled, { steps: 3 });
    const pulled: number[] = [];
    for (let i = 0; i < 500; i++) {
      await turn();
      if (waiting.length > 0 && i % 10 === 0) {
        pulled.push(seen.pulled);
        waiting.shift()!();
      }
    }
    assert.deepEqual(await written, { batches: 3, samples: 24, stoppedBy: 'steps' });
    assert.deepEqual([...new Set(pulled)], [0, 8, 16, 24]);
    assert.equal(seen.open, 0);
  });

  it('writes the end when it is aborted or the corpus ends', async () => {
    for (const stoppedBy of ['signal', 'end'] as const) {
      const abort = new AbortController();
      const kinds: number[] = [];
      const reader = new FrameReader({ headerBytes: 1 << 20, payloadBytes: 1 << 24 });
      const output = new Writable({
        write(chunk: Buffer, _, done) {
          kinds.push(...reader.push(chunk).map(({ kind }) => kind));
          if (kinds.length === 3 && stoppedBy === 'signal') abort.abort();
          done();
        },
      });
      const options = { ...sizes, epochs: 1, signal: abort.signal };
      const summary = await writeMinibatches(clusters(40).corpus, options, output);
      assert.equal(summary.stoppedBy, stoppedBy);
      assert.equal(kinds.at(-1), frameKinds.end);
      assert.equal(kinds.length, 2 + summary.batches);
    }
  });

  it('names how far it came when its output is closed', async () => {
    let writes = 0;
    const output = new Writable({ write: (_, __, done) => done(++writes > 4 ? new Error('EPIPE') : null) });
    await assert.rejects(writeMinibatches(clusters().corpus, sizes, output), {
      code: 'ERR_CONSUMER',
      message: /closed after \d+ batches \(EPIPE\)/,
    });
  });
});
