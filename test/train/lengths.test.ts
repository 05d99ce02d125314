import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { openHead } from '../../src/model/head.ts';
import { evaluate } from '../../src/train/evaluate.ts';
import { fit } from '../../src/train/fit.ts';
import { createRng } from '../../src/stream/random.ts';
import type { Corpus, Sample } from '../../src/stream/sample.ts';
import { useTestEngine } from '../test-engine.ts';

/** Noise, and somewhere in it a pulse of one of two signs, which is the class; 3 to 12 steps. */
function pulses(length: number, options: { tagged?: boolean } = {}): Corpus {
  const { tagged = false } = options;
  return {
    name: 'pulses',
    schema: {
      x: { type: 'float32', shape: [null, 2] },
      y: { type: 'int32', shape: tagged ? [null] : [] },
    },
    classes: { y: 2 },
    length,
    async *samples({ seed, epochs = Infinity }) {
      for (let epoch = 0; epoch < epochs; epoch++) {
        const rng = createRng(seed, 'pulses', epoch);
        for (let i = 0; i < length; i++) {
          const steps = 3 + rng.integer(10);
          const label = rng.integer(2);
          const at = rng.integer(steps);
          const x = Float32Array.from({ length: 2 * steps }, () => 0.2 * (rng.uniform() - 0.5));
          x[2 * at] = label === 1 ? 1 : -1;
          const y = tagged ? Int32Array.from({ length: steps }, (_, t) => (t < at ? 0 : label)) : label;
          yield { id: `p:${epoch}:${i}`, x, y } satisfies Sample;
        }
      }
    },
  };
}

function classifier(returnSequences: boolean): tf.LayersModel {
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.lstm({
        units: 6,
        returnSequences,
        inputShape: [null, 2],
        kernelInitializer: seeded(1),
        recurrentInitializer: seeded(2),
      }),
      tf.layers.dense({ units: 2, activation: 'softmax', kernelInitializer: seeded(3) }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.03), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

describe('fit on sequences of different lengths', () => {
  before(useTestEngine);

  it('trains a model that answers at the last step, through both phases of the gate', async () => {
    const model = classifier(false);
    const summary = await fit(model, pulses(200), {
      steps: 60,
      batchSize: 16,
      presampleSize: 32,
      tauThreshold: 1.1,
      validation: pulses(40),
      seed: 3,
    });
    assert.ok(summary.openShare > 0 && summary.openShare < 1, `${summary.openShare}`);
    assert.ok(summary.validation.last!['acc']! > 0.9, JSON.stringify(summary.validation));
    model.dispose();
  });

  it('trains a model that answers each step', async () => {
    const model = classifier(true);
    const { validation } = await fit(model, pulses(200, { tagged: true }), {
      steps: 40,
      batchSize: 16,
      presampleSize: 32,
      validation: pulses(40, { tagged: true }),
    });
    assert.ok(validation.last!['loss']! < 0.7 * validation.first!['loss']!, JSON.stringify(validation));
    model.dispose();
  });
});

describe('evaluate', () => {
  before(useTestEngine);

  it('measures the same, however much is padded', async () => {
    for (const isTagged of [false, true]) {
      const model = classifier(isTagged);
      const head = openHead(model);
      const corpus = pulses(21, { tagged: isTagged });
      const alone = await evaluate(head, corpus, { batchSize: 1, lengths: { pad: 'longest' } });
      const together = await evaluate(head, corpus, { batchSize: 8, lengths: { boundaries: [20] } });
      for (const name of ['loss', 'acc']) assert.ok(Math.abs(alone[name]! - together[name]!) < 1e-5, name);
      model.dispose();
    }
  });
});
