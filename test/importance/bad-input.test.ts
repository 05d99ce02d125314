import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { LossError, ModelError, OptionsError, ScoreError } from '../../src/errors.ts';
import { biased } from '../../src/importance/biased.ts';
import { predicted } from '../../src/importance/predicted.ts';
import { schemes } from '../../src/importance/schemes.ts';
import type { Corpus } from '../../src/stream/sample.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { fit } from '../../src/train/fit.ts';
import { useTestEngine } from '../test-engine.ts';
import { classifier, clusters, embedder } from './toys.ts';

const train = (model: tf.LayersModel, corpus: Corpus, options: Partial<FitOptions>) =>
  fit(model, corpus, { batchSize: 8, presampleSize: 24, tauThreshold: 1.05, steps: 6, seed: 5, ...options });

/** Targets so far off that their squared error is no float32. */
function farOff(): Corpus {
  const corpus = clusters();
  return {
    ...corpus,
    schema: { x: { type: 'float32', shape: [2] }, y: { type: 'float32', shape: [1] } },
    async *samples(options) {
      for await (const sample of corpus.samples(options)) yield { ...sample, y: [1e30] };
    },
  };
}

function regressor(): tf.Sequential {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 1 });
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelInitializer })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  return model;
}

describe('bad input of a scheme', () => {
  before(useTestEngine);

  for (const name of Object.keys(schemes).filter((one) => one !== 'distance-weighted'))
    it(`stops ${name} at a loss that is infinite`, async () => {
      await assert.rejects(train(regressor(), farOff(), { scheme: name }), (error: Error) => {
        assert.ok(error instanceof LossError || error instanceof ScoreError, String(error));
        assert.match(error.message, /got .*(Infinity|NaN)/);
        return true;
      });
    });

  it('is a loss of triplets for exact gradient norms, and one of single samples for negatives of triplets', async () => {
    await assert.rejects(train(embedder(), clusters(), { scheme: 'gradient-norm' }), (error: Error) => {
      assert.ok(error instanceof ModelError);
      assert.match(error.message, /expected a loss of single samples, got one of pairs or triplets/);
      return true;
    });
    await assert.rejects(train(classifier(), clusters(), { scheme: 'distance-weighted' }), ModelError);
  });

  const outOfRange: Readonly<Record<string, Partial<FitOptions>>> = {
    'no minibatch from a presample': { draws: 0 },
    'half a minibatch': { draws: 1.5 },
    'minibatches without end': { draws: 10_001 },
    'a seed below zero': { seed: -1 },
    'a seed of more than 32 bits': { seed: 2 ** 32 },
    'a seed between two': { seed: 0.5 },
    'a seed that is no number': { seed: Number.NaN },
  };
  for (const [what, options] of Object.entries(outOfRange))
    it(`is ${what}`, async () => {
      const model = classifier();
      const before = model.getWeights()[0]!.dataSync<'float32'>().slice();
      await assert.rejects(train(model, clusters(), { scheme: 'upper-bound', ...options }), OptionsError);
      assert.deepEqual(model.getWeights()[0]!.dataSync(), before);
    });

  it('is a power of the weights above 1, or none', () => {
    for (const k of [1.01, -10.5, Number.NaN, Infinity]) {
      assert.throws(() => biased({ k }), OptionsError);
      assert.throws(() => predicted({ k }), OptionsError);
    }
  });
});
