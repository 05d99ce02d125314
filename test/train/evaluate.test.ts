import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { openHead } from '../../src/model/head.ts';
import { evaluate } from '../../src/train/evaluate.ts';
import { useTestEngine } from '../test-engine.ts';
import { clusters } from './toy.ts';

describe('evaluate', () => {
  before(useTestEngine);

  it('measures a metric that is the loss as well', async () => {
    const { corpus } = clusters();
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: ['mse'] });
    const measures = await evaluate(openHead(model), corpus, { limit: 16, batchSize: 16 });
    assert.deepEqual(Object.keys(measures), ['loss', 'mse']);
    assert.ok(Math.abs(measures['mse']! - measures['loss']!) < 1e-6 * measures['loss']!);
    model.dispose();
  });

  it('leaves the losses of several outputs, which tfjs lists among its metrics, aside', async () => {
    const { corpus } = clusters();
    const input = tf.input({ shape: [2], name: 'x' });
    const outputs = ['y', 'same'].map((name) => tf.layers.dense({ units: 1, name }).apply(input) as tf.SymbolicTensor);
    const model = tf.model({ inputs: input, outputs });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: { same: 'mae' } });
    const both = {
      ...corpus,
      schema: { ...corpus.schema, same: { type: 'int32', shape: [] } } as const,
      async *samples(options: Parameters<typeof corpus.samples>[0]) {
        for await (const sample of corpus.samples(options)) yield { ...sample, same: sample['y']! };
      },
    };
    const measures = await evaluate(openHead(model), both, { limit: 16, batchSize: 16 });
    assert.deepEqual(Object.keys(measures), ['loss', 'same_mae']);
    model.dispose();
  });
});
