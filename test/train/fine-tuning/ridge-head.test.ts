import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { softTargets } from '../../../src/corpus/soft-targets.ts';
import { ModelError } from '../../../src/errors.ts';
import { openHead } from '../../../src/model/head.ts';
import { createRng } from '../../../src/stream/random.ts';
import type { Corpus } from '../../../src/stream/sample.ts';
import { evaluate } from '../../../src/train/evaluate.ts';
import { startAtRidge } from '../../../src/train/fine-tuning/ridge-head.ts';
import { useTestEngine } from '../../test-engine.ts';

const [size, classes] = [6, 3];

/** Points about three centres, which overlap. */
function points(length = 120): Corpus {
  return {
    name: 'points',
    schema: { x: { type: 'float32', shape: [size] }, y: { type: 'int32', shape: [] } },
    classes: { y: classes },
    length,
    async *samples({ epochs = Infinity }) {
      for (let epoch = 0; epoch < epochs; epoch++)
        for (let i = 0; i < length; i++) {
          const rng = createRng(7, 'points', i);
          const y = i % classes;
          yield {
            id: `points:${i}`,
            x: Float32Array.from({ length: size }, (_, j) => 3 * (rng.uniform() - 0.5) + (j === y ? 2 : 0)),
            y,
          };
        }
    },
  };
}

function head(activation: 'softmax' | 'sigmoid' = 'softmax'): tf.LayersModel {
  const dropout = tf.layers.dropout({ rate: 0.2, inputShape: [size] });
  const model = tf.sequential({ layers: [dropout, tf.layers.dense({ units: classes, activation, useBias: true })] });
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}
const weightsOf = (model: tf.LayersModel) => model.getWeights().map((weight) => [...weight.dataSync()]);

describe('startAtRidge', () => {
  before(useTestEngine);

  it('makes a head that is about as good, and as sure, as a softmax head trained to its end', async () => {
    const model = head();
    const tensors = tf.memory().numTensors;
    await startAtRidge(model, points(), { penalty: 0.1 });
    assert.equal(tf.memory().numTensors, tensors);
    const fresh = { ...points(400), name: 'fresh' };
    const ridge = await evaluate(openHead(model), fresh);
    const trained = head();
    const [features, labels]: [number[][], number[]] = [[], []];
    for await (const sample of points().samples({ seed: 0, epochs: 1 })) {
      features.push([...(sample['x'] as Float32Array)]);
      labels.push(sample['y'] as number);
    }
    const [x, y] = [tf.tensor2d(features), tf.tensor1d(labels)];
    await trained.fit(x, y, { epochs: 200, batchSize: 120 });
    const descent = await evaluate(openHead(trained), fresh);
    assert.ok(ridge.acc! > descent.acc! - 0.02, `${ridge.acc} against ${descent.acc}`);
    assert.ok(ridge.loss! < descent.loss! * 1.1, `${ridge.loss} against ${descent.loss}`);
    tf.dispose([x, y]);
    for (const made of [model, trained]) made.dispose();
  });

  it('takes class numbers and rows of probabilities alike, and heeds what samples weigh', async () => {
    const starts = await Promise.all(
      [points(), softTargets(points(), { classes }), softTargets(points(), { classes, classWeights: [9, 1, 1] })].map(
        async (corpus) => {
          const model = head();
          await startAtRidge(model, corpus, { penalty: 0.1 });
          const weights = weightsOf(model);
          model.dispose();
          return weights;
        },
      ),
    );
    assert.deepEqual(starts[0], starts[1]);
    const [, bias] = starts[2]!;
    assert.ok(bias![0]! - bias![1]! > starts[0]![1]![0]! - starts[0]![1]![1]!, 'the first class counts more');
  });

  it('never finds the scale with a view of a picture that it was computed from', async () => {
    // Of each picture ten views, all the same: seen before, they would make the head as sure as it is right of them.
    const base = points(60);
    const views: Corpus = {
      ...base,
      length: 600,
      async *samples(options) {
        for await (const sample of base.samples(options)) {
          yield sample;
          for (let view = 1; view < 10; view++) yield { ...sample, id: `${sample.id}~${view}` };
        }
      },
    };
    const [once, often] = [head(), head()];
    await startAtRidge(once, base, { penalty: 0.1 });
    await startAtRidge(often, views, { penalty: 1 }); // ten times the samples bear ten times the penalty
    const [kernel, kernelOfViews] = [weightsOf(once)[0]!, weightsOf(often)[0]!];
    for (const [i, value] of kernel.entries())
      assert.ok(
        Math.abs(value - kernelOfViews[i]!) < 1e-3 * Math.max(1, Math.abs(value)),
        `${value}, ${kernelOfViews[i]}`,
      );
    for (const model of [once, often]) model.dispose();
  });

  it('refuses a head of another form', async () => {
    const model = head('sigmoid');
    await assert.rejects(startAtRidge(model, points(), { penalty: 0.1 }), (error: unknown) => {
      assert.ok(error instanceof ModelError);
      assert.match(error.message, /one dense softmax layer on a vector/);
      return true;
    });
    model.dispose();
  });
});
