import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { OptionsError } from '../../src/errors.ts';
import { advise, adviceText, type Prospect } from '../../src/report/advise.ts';
import { classifier, clusters } from '../importance/toys.ts';
import { createRng } from '../../src/stream/random.ts';
import type { Corpus } from '../../src/stream/sample.ts';
import { useTestEngine } from '../test-engine.ts';

describe('advise', () => {
  before(useTestEngine);

  it('measures costs, τ by size, noise and easy samples, and leaves nothing behind', async () => {
    const model = classifier();
    const options = { batchSize: 8, learningRate: 0.02, seed: 3 };
    await advise(model, clusters(), options, { steps: 1 });
    const before = tf.memory().numTensors;
    const advice = await advise(model, clusters(), options, { steps: 150 });
    assert.equal(tf.memory().numTensors, before);
    assert.equal(advice.steps, 150);
    assert.ok(advice.scoreMs > 0 && advice.stepMs > 0 && advice.noiseScale > 0);
    assert.ok(advice.easyShare > 0.05 && advice.easyShare < 0.95, `${advice.easyShare}`);
    assert.deepEqual(
      advice.prospects.map(({ presampleSize, draws }) => [presampleSize, draws]),
      [16, 40, 80].flatMap((size) => [1, 2, 4].map((draws) => [size, draws])),
    );
    for (const { tau, slowdown, gain, worth, presampleSize, draws } of advice.prospects) {
      assert.ok(tau > 1.1 && gain >= 1 && gain <= tau ** 2 + 1e-9);
      assert.ok(Math.abs(slowdown - 1 - (presampleSize * advice.scoreMs) / (draws * 8 * advice.stepMs)) < 1e-9);
      assert.ok(Math.abs(worth - gain / slowdown) < 1e-9);
    }
    assert.equal(advice.best.worth, Math.max(...advice.prospects.map(({ worth }) => worth)));
    assert.equal(advice.pays, advice.best.worth > 1.05 && advice.best.slowdown <= 1.1);
  });

  it('measures a corpus of lengths of their own, in the buckets of the run', async () => {
    const rng = createRng(2, 'advise');
    const rows = Array.from({ length: 60 }, (_, i) => {
      const steps = 2 + rng.integer(8);
      const label = rng.integer(2);
      const x = Float32Array.from({ length: steps }, () => rng.uniform() - (label === 1 ? 0.3 : 0.7));
      return { id: `l:${i}`, x, y: Int32Array.from({ length: steps }, () => label) };
    });
    const widths = new Set<number>();
    const corpus: Corpus = {
      name: 'lengths',
      schema: { x: { type: 'float32', shape: [null, 1] }, y: { type: 'int32', shape: [null] } },
      classes: { y: 2 },
      length: rows.length,
      async *samples() {
        for (;;) yield* rows;
      },
    };
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 2, activation: 'softmax', inputShape: [null, 1] })],
    });
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    const call = model.layers[0]!.call.bind(model.layers[0]);
    model.layers[0]!.call = (inputs, kwargs) => {
      widths.add([inputs].flat()[0]!.shape[1]!);
      return call(inputs, kwargs);
    };
    const lengths = { boundaries: [4, 9], batchSizes: [6, 3] };
    const advice = await advise(model, corpus, { batchSize: 4, lengths }, { steps: 12 });
    assert.deepEqual(
      [...widths].toSorted((a, b) => a - b),
      [4, 9],
    );
    assert.ok(advice.prospects.every(({ tau, slowdown }) => tau >= 1 && slowdown > 1));
    await assert.rejects(advise(model, corpus, { batchSize: 4, lengths: { boundaries: [4] } }, { steps: 12 }), {
      code: 'ERR_SHAPE',
      message: /at most 4 steps/,
    });
  });

  it('refuses options of no meaning', async () => {
    await assert.rejects(advise(classifier(), clusters(), {}, { seconds: 0 }), OptionsError);
  });
});

describe('adviceText', () => {
  const of = (gain: number, slowdown: number, noiseScale: number) => {
    const best: Prospect = { presampleSize: 320, draws: 2, tau: 2, gain, slowdown, worth: gain / slowdown };
    const facts = {
      steps: 9,
      scoreMs: 1,
      stepMs: 4,
      noiseScale,
      easyShare: 0.5,
      prospects: [best],
      best,
      pays: best.worth > 1.05 && slowdown <= 1.1,
    };
    return adviceText(facts, 64);
  };
  it('says plainly whether it would pay, by how much, and with which settings', () => {
    assert.match(
      of(1.35, 1.08, 300),
      /^Drawing by scores may pay: up to 25 % .* presample of 320, 2 minibatches .* 1\.35 times/,
    );
    assert.match(
      of(1.1, 1.6, 20),
      /^Drawing by scores would not pay yet: .* 1\.10 times the progress in 1\.60 times the time/,
    );
  });
  it('promises nothing where scoring is dear, which no comparison has borne out', () => {
    assert.match(of(2, 1.6, 300), /^Drawing by scores would hardly pay: .* 2\.00 .* 1\.60 times the time.*score-where/);
    assert.match(of(2, 1.6, 300), /half of the easy samples, 50 % by now, .* train loss tends to fall faster/);
  });
  it('says whether noise limits the steps', () => {
    assert.match(of(2, 1.6, 300), /Noise limits the steps/);
    assert.match(of(1.1, 1.6, 20), /Noise does not limit the steps: .* below the minibatch of 64/);
  });
});
