import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import type { BlockSource } from '../../src/corpus/blocks.ts';
import { streamSamples } from '../../src/corpus/sample-stream.ts';
import type { Corpus } from '../../src/stream/sample.ts';
import { fit } from '../../src/train/fit.ts';
import { useTestEngine } from '../test-engine.ts';

/** Samples that must each be decoded, a turn of the event loop apart from being asked for; counts both ends of it. */
function decoded(length: number) {
  const counts = { begun: 0, done: 0 };
  const schema = { x: { type: 'float32', shape: [4] }, y: { type: 'int32', shape: [] } } as const;
  const source: BlockSource = {
    schema,
    parts: [length],
    blockSize: 32,
    poolSize: length,
    partsAtOnce: 1,
    decodeAhead: 16,
    load: async (refs) =>
      refs.map(({ first, count }) => ({
        count,
        sample: async (i) => {
          counts.begun += 1;
          await turn();
          counts.done += 1;
          const n = first + i;
          return { id: `s${n}`, x: Float32Array.from({ length: 4 }, (_, at) => ((n * (at + 3)) % 7) / 7), y: n % 2 };
        },
      })),
  };
  const corpus: Corpus = {
    name: 'decoded',
    schema,
    classes: { y: 2 },
    length,
    samples: (options) => streamSamples('decoded', source, options),
  };
  return { corpus, counts };
}

describe('fit on samples that must be decoded', () => {
  before(useTestEngine);

  const [presampleSize, batchSize] = [256, 8];
  /** What was begun and done beyond the samples of the minibatches so far, as each step begins. */
  async function aheadOf(scheme: 'uniform' | 'upper-bound', length = 16 * presampleSize) {
    const { corpus, counts } = decoded(length);
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, activation: 'softmax', inputShape: [4] })] });
    model.compile({ optimizer: tf.train.sgd(0.01), loss: 'sparseCategoricalCrossentropy' });
    const ahead: { begun: number; done: number }[] = [];
    let fetched = 0;
    await fit(model, corpus, {
      steps: 12,
      presampleSize,
      batchSize,
      scheme,
      tauThreshold: 1,
      seed: 3,
      onMinibatch: ({ presample }) => {
        fetched += presample.size;
        ahead.push({ begun: counts.begun - fetched, done: counts.done - fetched });
      },
    });
    model.dispose();
    return ahead.slice(2); // the first steps find the stream as it begins
  }

  it('has begun the whole next presample before it trains on this one', async () => {
    for (const { begun } of await aheadOf('upper-bound')) assert.ok(begun >= presampleSize, `${begun} begun ahead`);
  });

  it('goes on over the end of an epoch', async () => {
    const ahead = await aheadOf('upper-bound', 2 * presampleSize); // every second presample is an epoch's last
    for (const { begun } of ahead) assert.ok(begun >= presampleSize, `${begun} begun ahead`);
  });

  it('has decoded the next minibatch before it trains on this one, where presamples are minibatches', async () => {
    for (const { done } of await aheadOf('uniform')) assert.ok(done >= batchSize, `${done} done ahead`);
  });

  it('never begins more than the next presample and the 64 that wait for it', async () => {
    for (const { begun } of await aheadOf('upper-bound'))
      assert.ok(begun <= presampleSize + 64 + 2, `${begun} begun ahead`);
  });
});
