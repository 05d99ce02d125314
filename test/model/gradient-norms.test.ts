import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../../src/engine/layers/fuse.ts';
import { exactNorms } from '../../src/model/gradient-norms.ts';
import { openHead } from '../../src/model/head.ts';
import { useTestEngine } from '../test-engine.ts';

const seeded = (seed: number) => tf.initializers.randomNormal({ stddev: 0.5, seed });
const compiled = (layers: tf.layers.Layer[], loss = 'sparseCategoricalCrossentropy') => {
  const model = tf.sequential({ layers });
  model.compile({ optimizer: 'sgd', loss });
  return model;
};
const softmax = (seed: number) => tf.layers.dense({ units: 3, activation: 'softmax', kernelInitializer: seeded(seed) });

const models: Record<string, { model: () => tf.LayersModel; shape: number[]; batchSize: number }> = {
  'dense layers': {
    model: () =>
      compiled([
        tf.layers.dense({ units: 5, activation: 'tanh', inputShape: [4], kernelInitializer: seeded(1) }),
        softmax(2),
      ]),
    shape: [4],
    batchSize: 64,
  },
  'dense layers over time steps': {
    model: () =>
      compiled([
        tf.layers.dense({
          units: 5,
          activation: 'relu',
          useBias: false,
          inputShape: [6, 4],
          kernelInitializer: seeded(1),
        }),
        tf.layers.globalAveragePooling1d(),
        softmax(2),
      ]),
    shape: [6, 4],
    batchSize: 64,
  },
  'convolutions with strides and padding': {
    model: () =>
      compiled([
        tf.layers.conv2d({
          filters: 3,
          kernelSize: 3,
          padding: 'same',
          activation: 'relu',
          inputShape: [6, 6, 2],
          kernelInitializer: seeded(1),
        }),
        tf.layers.conv2d({
          filters: 4,
          kernelSize: [3, 2],
          strides: [2, 1],
          activation: 'elu',
          kernelInitializer: seeded(2),
        }),
        tf.layers.flatten(),
        softmax(3),
      ]),
    shape: [6, 6, 2],
    batchSize: 64,
  },
  'an LSTM': {
    model: () =>
      compiled([
        tf.layers.lstm({ units: 4, inputShape: [5, 2], kernelInitializer: seeded(1), recurrentInitializer: seeded(2) }),
        softmax(3),
      ]),
    shape: [5, 2],
    batchSize: 64,
  },
  'two fused LSTMs, one backwards and without a bias': {
    model: () => {
      const model = compiled([
        tf.layers.lstm({
          units: 4,
          inputShape: [5, 2],
          returnSequences: true,
          goBackwards: true,
          useBias: false,
          kernelInitializer: seeded(1),
          recurrentInitializer: seeded(2),
        }),
        tf.layers.lstm({ units: 3, kernelInitializer: seeded(3), recurrentInitializer: seeded(4) }),
        softmax(5),
      ]);
      fuse(model);
      return model;
    },
    shape: [5, 2],
    batchSize: 64,
  },
  'a masked LSTM': {
    model: () =>
      compiled([
        tf.layers.masking({ inputShape: [5, 2], maskValue: 0 }),
        tf.layers.lstm({ units: 4, kernelInitializer: seeded(1), recurrentInitializer: seeded(2) }),
        softmax(3),
      ]),
    shape: [5, 2],
    batchSize: 64,
  },
  'dense layers in a model within the model': {
    model: () => {
      const inner = tf.layers.dense({ units: 5, activation: 'tanh', inputShape: [4], kernelInitializer: seeded(1) });
      return compiled([tf.sequential({ layers: [inner] }), softmax(2)]);
    },
    shape: [4],
    batchSize: 64,
  },
  'a dense layer that is applied twice, sample by sample': {
    model: () => {
      const input = tf.input({ shape: [4] });
      const shared = tf.layers.dense({ units: 4, activation: 'tanh', kernelInitializer: seeded(1) });
      const twice = shared.apply(shared.apply(input)) as tf.SymbolicTensor;
      const model = tf.model({ inputs: input, outputs: softmax(2).apply(twice) as tf.SymbolicTensor });
      model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
      return model;
    },
    shape: [4],
    batchSize: 1,
  },
  'a GRU, sample by sample': {
    model: () =>
      compiled([
        tf.layers.gru({ units: 4, inputShape: [5, 2], kernelInitializer: seeded(1), recurrentInitializer: seeded(2) }),
        softmax(3),
      ]),
    shape: [5, 2],
    batchSize: 1,
  },
};

describe('exactNorms', () => {
  before(useTestEngine);
  for (const [name, { model: build, shape, batchSize }] of Object.entries(models))
    it(`equals the norm of each sample's own gradient for ${name}`, () => {
      const model = build();
      const head = openHead(model);
      const norms = exactNorms(head);
      assert.equal(norms.batchSize, batchSize);
      const x = tf.tidy(() => {
        const noise = tf.randomNormal([7, ...shape], 0, 1, 'float32', 5);
        return name.includes('masked') ? tf.mul(noise, tf.greater(noise.mean(-1, true), 0).toFloat()) : noise; // whole steps
      });
      const y = tf.tensor1d([0, 1, 2, 0, 1, 2, 0], 'int32');
      const before = tf.memory().numTensors;
      const got = norms.of([x], [y]).dataSync();
      assert.equal(tf.memory().numTensors, before + 1);
      const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
      for (let row = 0; row < 7; row++) {
        const expected = tf.tidy(() => {
          const { grads } = tf.variableGrads(
            () => tf.sum<tf.Scalar>(head.perSampleLoss(head.forward([x.slice(row, 1)], false), [y.slice(row, 1)])),
            variables,
          );
          return Math.hypot(...Object.values(grads).flatMap((gradient) => [...gradient.dataSync()]));
        });
        assert.ok(Math.abs(got[row]! - expected) < 1e-4 * (1 + expected), `${got[row]} is not ${expected}`);
      }
      // What was in the way of the layers is gone: the model trains and answers as before.
      const answer = (model.predict(x) as tf.Tensor).dataSync<'float32'>();
      assert.ok(Math.abs(answer.slice(0, 3).reduce((a, b) => a + b, 0) - 1) < 1e-5);
    });
});
