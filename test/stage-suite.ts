import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import { runPipeline } from '../src/stream/run-pipeline.ts';
import type { Stage } from '../src/stream/stage.ts';
import { asReadable, asTransform } from '../src/stream/transform.ts';

export interface StageCase<In, Out> {
  /** Makes the stage anew. */
  readonly make: () => Stage<In, Out>;
  /** An endless supply of items: the i-th. */
  readonly item: (index: number) => In;
  /** Lets go of what the stage gave. */
  readonly release?: (out: Out) => void;
  /** Lets go of items that were on their way when the pipeline was stopped, as a run does by its InFlight. */
  readonly cleanUp?: () => void;
  /** Items that the stage may take before it gives its first. */
  readonly itemsPerOutput: number;
}

/** What every stage must do, whatever it does to its items. */
export function itBehavesLikeAStage<In, Out>({
  make,
  item,
  release = () => {},
  cleanUp,
  itemsPerOutput,
}: StageCase<In, Out>) {
  const supply = (count: number) => {
    const seen = { pulled: 0, finished: false };
    const items = (async function* () {
      try {
        for (let i = 0; i < count; i++) {
          seen.pulled += 1;
          yield item(i);
        }
      } finally {
        seen.finished = true;
      }
    })();
    return { seen, items };
  };

  let tensorsBefore = 0;
  beforeEach(() => {
    tensorsBefore = tf.memory().numTensors;
  });
  afterEach('no tensor is left', () => {
    cleanUp?.();
    assert.equal(tf.memory().numTensors, tensorsBefore);
  });

  it('ends with its source', async () => {
    const { items, seen } = supply(itemsPerOutput * 2);
    let given = 0;
    for await (const out of make()(items)) {
      given += 1;
      release(out);
    }
    assert.ok(given >= 2);
    assert.ok(seen.finished);
  });

  it('rethrows the error of its source', async () => {
    const failing = (async function* () {
      yield* supply(itemsPerOutput).items;
      throw new Error('the disk is gone');
    })();
    await assert.rejects(async () => {
      for await (const out of make()(failing)) release(out);
    }, /the disk is gone/);
  });

  it('ends its source when the consumer breaks off', async () => {
    const { items, seen } = supply(itemsPerOutput * 100);
    for await (const out of make()(items)) {
      release(out);
      break;
    }
    assert.ok(seen.finished);
    assert.ok(seen.pulled <= itemsPerOutput + 1);
  });

  it('ends its source when the pipeline is aborted', async () => {
    const { items, seen } = supply(Infinity);
    const abort = new AbortController();
    const running = runPipeline<Out, void>(
      [asReadable(items, 1), asTransform(make(), 1)],
      async (outs) => {
        for await (const out of outs) {
          release(out);
          abort.abort();
        }
      },
      abort.signal,
    );
    await assert.rejects(running, { name: 'AbortError' });
    for (let i = 0; i < 20 && !seen.finished; i++) await turn();
    assert.ok(seen.finished);
  });

  it('pulls a bounded number of items ahead of a stalled consumer', async () => {
    const { items, seen } = supply(Infinity);
    const stream = asReadable(items, 1).pipe(asTransform(make(), 1));
    const held: Out[] = [];
    const pulled: number[] = [];
    for (let i = 0; i < 200; i++) {
      if (i === 50) held.push(stream.read() as Out);
      pulled.push(seen.pulled);
      await turn();
    }
    // Each of the two buffers holds one item, the stage one in the making, and one was taken.
    assert.ok(seen.pulled <= 5 * itemsPerOutput + 4, `${seen.pulled} items pulled`);
    assert.equal(pulled.at(-1), pulled.at(-50));
    const drained = stream.read() as Out | null;
    for (const out of [...held, ...(drained === null ? [] : [drained])]) release(out);
    stream.destroy();
    await turn();
  });
}
