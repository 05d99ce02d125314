import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../../src/engine/layers/fuse.ts';
import { ModelError, ShapeError } from '../../src/errors.ts';
import { bindColumns } from '../../src/model/binding.ts';
import { openHead } from '../../src/model/head.ts';
import { useTestEngine } from '../test-engine.ts';

const classes = 3;
const schema = { x: { type: 'float32', shape: [null, 2] }, y: { type: 'int32', shape: [] } } as const;
const tagged = { ...schema, y: { type: 'int32', shape: [null] } } as const;
const open = { inputShape: [null, 2] };
const softmax = () => tf.layers.dense({ units: classes, activation: 'softmax' });

const bodies: Record<string, () => tf.layers.Layer[]> = {
  'an LSTM': () => [tf.layers.lstm({ units: 4, ...open })],
  'a GRU': () => [tf.layers.gru({ units: 4, ...open })],
  'a simple RNN': () => [tf.layers.simpleRNN({ units: 4, ...open })],
  'a stack of LSTMs with layers by step between them': () => [
    tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 3, activation: 'tanh' }), ...open }),
    tf.layers.lstm({ units: 4, returnSequences: true }),
    tf.layers.layerNormalization({}),
    tf.layers.lstm({ units: 4 }),
  ],
  'a bidirectional LSTM': () => [
    tf.layers.bidirectional({ layer: tf.layers.lstm({ units: 4 }), mergeMode: 'concat', ...open }),
  ],
  'an LSTM that goes backwards': () => [tf.layers.lstm({ units: 4, goBackwards: true, ...open })],
  'an LSTM within a nested model': () => [tf.sequential({ layers: [tf.layers.lstm({ units: 4, ...open })] })],
};
const compiled = (layers: tf.layers.Layer[]): tf.LayersModel => {
  const model = tf.sequential({ layers });
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
  return model;
};
/** Two series of 3 steps and 1, and how they look when padded to so many steps, with numbers where padding is. */
const series = [
  [0.5, -1, 2, 0.3, -0.7, 0.1],
  [1, 1.5],
];
const padded = (steps: number) =>
  tf.tensor3d(series.map((own) => Array.from({ length: steps }, (_, t) => [own[2 * t] ?? 9, own[2 * t + 1] ?? -9])));
const maskOf = (steps: number) =>
  tf.tensor2d(series.map((own) => Array.from({ length: steps }, (_, t) => (2 * t < own.length ? 1 : 0))));
const alone = (i: number) =>
  tf.tensor3d([Array.from({ length: series[i]!.length / 2 }, (_, t) => series[i]!.slice(2 * t, 2 * t + 2))]);

function assertClose(got: tf.Tensor, wanted: readonly number[]): void {
  const values = got.dataSync();
  assert.equal(values.length, wanted.length);
  wanted.forEach((value, i) => assert.ok(Math.abs(values[i]! - value) < 1e-5, `${i}: ${values[i]} for ${value}`));
}

describe('masked steps', () => {
  before(useTestEngine);

  for (const isFused of [false, true])
    for (const [name, body] of Object.entries(bodies))
      it(`change nothing in ${name}${isFused ? ', fused' : ''}`, () => {
        const model = compiled([...body(), softmax()]);
        if (isFused) fuse(model);
        const head = openHead(model);
        bindColumns(model, schema);
        const y = [2, 0];
        tf.tidy(() => {
          const one = (i: number) => head.forward([alone(i)], false);
          const target = (i: number) => [tf.tensor1d([y[i]!], 'int32')];
          const z = head.forward([padded(5), maskOf(5)], false);
          assertClose(z[0]!, [...one(0)[0]!.dataSync(), ...one(1)[0]!.dataSync()]);
          const targets = [tf.tensor1d(y, 'int32')];
          for (const measure of ['perSampleLoss', 'gradientNorm'] as const)
            assertClose(
              head[measure](z, targets, maskOf(5)),
              [0, 1].flatMap((i) => [...head[measure](one(i), target(i)).dataSync()]),
            );
        });
        model.dispose();
      });

  it('weigh nothing in the losses, scores and gradients of a model that answers each step', () => {
    const model = compiled([tf.layers.lstm({ units: 4, returnSequences: true, ...open }), softmax()]);
    const head = openHead(model);
    bindColumns(model, tagged);
    const labels = [[0, 1, 2], [1]];
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    tf.tidy(() => {
      const rows = labels.map((own) => [...own, 2, 2, 2, 2].slice(0, 5));
      const y = [tf.tensor2d(rows, [2, 5], 'int32')];
      const own = (i: number) => [tf.tensor2d([labels[i]!], [1, labels[i]!.length], 'int32')];
      const whole = () => head.perSampleLoss(head.forward([padded(5), maskOf(5)], false), y, maskOf(5));
      const single = (i: number) => head.perSampleLoss(head.forward([alone(i)], false), own(i));
      assertClose(
        whole(),
        [0, 1].flatMap((i) => [...single(i).dataSync()]),
      );
      assertClose(
        head.gradientNorm(head.forward([padded(5), maskOf(5)], false), y, maskOf(5)),
        [0, 1].flatMap((i) => [...head.gradientNorm(head.forward([alone(i)], false), own(i)).dataSync()]),
      );
      const together = tf.variableGrads(() => tf.sum<tf.Scalar>(whole()), variables).grads;
      const apart = tf.variableGrads(() => tf.add<tf.Scalar>(tf.sum(single(0)), tf.sum(single(1))), variables).grads;
      for (const [name, gradient] of Object.entries(together)) assertClose(gradient, [...apart[name]!.dataSync()]);
    });
    model.dispose();
  });

  it("leave a layer's own masking in force", () => {
    const model = compiled([tf.layers.masking({ maskValue: 0, ...open }), tf.layers.lstm({ units: 4 }), softmax()]);
    const head = openHead(model);
    tf.tidy(() => {
      const x = tf.tensor3d([
        [
          [1, 2],
          [0, 0],
          [3, 4],
          [9, 9],
        ],
      ]);
      const without = tf.tensor3d([
        [
          [1, 2],
          [3, 4],
        ],
      ]);
      const z = head.forward([x, tf.tensor2d([[1, 1, 1, 0]])], false);
      assertClose(z[0]!, [...head.forward([without], false)[0]!.dataSync()]);
    });
    model.dispose();
  });

  it('do not come after layers that have steps of their own, nor stay when the call is over', () => {
    const model = compiled([
      tf.layers.lstm({ units: 4, ...open }),
      tf.layers.repeatVector({ n: 3 }),
      tf.layers.lstm({ units: 4 }),
      softmax(),
    ]);
    const head = openHead(model);
    bindColumns(model, schema);
    tf.tidy(() => {
      const masked = head.forward([padded(5), maskOf(5)], false)[0]!;
      assertClose(
        masked,
        [0, 1].flatMap((i) => [...head.forward([alone(i)], false)[0]!.dataSync()]),
      );
      const plain = head.forward([padded(5)], false)[0]!;
      assert.ok(masked.sub(plain).abs().max().dataSync()[0]! > 1e-3);
    });
    model.dispose();
  });

  it('are refused by name where a layer would mix them into real ones', () => {
    const mixing: Record<string, tf.layers.Layer[]> = {
      Conv1D: [tf.layers.conv1d({ filters: 2, kernelSize: 3, ...open }), tf.layers.lstm({ units: 2 })],
      GlobalAveragePooling1D: [
        tf.layers.lstm({ units: 2, returnSequences: true, ...open }),
        tf.layers.globalAveragePooling1d({}),
      ],
      BatchNormalization: [tf.layers.batchNormalization({ ...open }), tf.layers.lstm({ units: 2 })],
    };
    for (const [name, layers] of Object.entries(mixing)) {
      const model = compiled([...layers, softmax()]);
      assert.throws(
        () => bindColumns(model, schema),
        (error) => error instanceof ModelError && error.message.includes(`(${name})`),
      );
      const fixed = { ...schema, x: { type: 'float32', shape: [5, 2] } } as const;
      assert.ok(bindColumns(model, fixed));
      model.dispose();
    }
  });

  it('are left to a model that takes the mask itself', () => {
    const x = tf.input({ shape: [null, 2], name: 'x' });
    const mask = tf.input({ shape: [null], name: 'mask' });
    const pooled = tf.layers.dot({ axes: 1 }).apply([x, mask]) as tf.SymbolicTensor; // Σ_t m_t x_t
    const model = tf.model({ inputs: [x, mask], outputs: softmax().apply(pooled) as tf.SymbolicTensor });
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    assert.deepEqual(bindColumns(model, schema).inputs, ['x', 'mask']);
    const head = openHead(model);
    tf.tidy(() =>
      assertClose(
        head.forward([padded(5), maskOf(5), maskOf(5)], false)[0]!,
        [0, 1].flatMap((i) => [...head.forward([alone(i), tf.ones([1, series[i]!.length / 2])], false)[0]!.dataSync()]),
      ),
    );
    model.dispose();
  });

  it('need a model with an open time axis', () => {
    const model = compiled([tf.layers.lstm({ units: 2, inputShape: [5, 2] }), softmax()]);
    assert.throws(() => bindColumns(model, schema), ShapeError);
    model.dispose();
  });
});
