import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { ModelError } from '../../src/errors.ts';
import { openHead } from '../../src/model/head.ts';
import { useTestEngine } from '../test-engine.ts';

/** Deterministic numbers, different for each seed. */
const values = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);
const close = async (got: tf.Tensor, wanted: tf.Tensor, tolerance = 1e-5) => {
  assert.deepEqual(got.shape, wanted.shape);
  const [a, b] = [await got.data(), await wanted.data()];
  a.forEach((x, i) => assert.ok(Math.abs(x - b[i]!) <= tolerance * (1 + Math.abs(b[i]!)), `${x} is not ${b[i]}`));
};

/** ∂/∂z of each sample's loss by central differences, on one z. */
function normByDifferences(z: tf.Tensor, lossOf: (z: tf.Tensor) => tf.Tensor1D): Promise<number[]> {
  const step = 1e-2;
  const width = z.size / z.shape[0];
  const squares = new Float64Array(z.shape[0]);
  for (let j = 0; j < width; j++) {
    const shift = tf.tensor2d(
      Array.from({ length: z.shape[0] }, () => Array.from({ length: width }, (_, k) => (k === j ? step : 0))),
    );
    const moved = shift.reshape(z.shape);
    const slope = lossOf(z.add(moved))
      .sub(lossOf(z.sub(moved)))
      .div(2 * step)
      .dataSync();
    slope.forEach((value, i) => (squares[i]! += value ** 2));
  }
  return Promise.resolve([...squares].map(Math.sqrt));
}

const cases: readonly {
  name: string;
  build: () => tf.LayersModel;
  y: () => tf.Tensor;
  x: () => tf.Tensor;
  mask?: () => tf.Tensor;
  custom?: boolean;
}[] = [
  {
    name: 'softmax and sparse categorical cross-entropy',
    build: () => dense('softmax', 'sparseCategoricalCrossentropy'),
    x: () => values([5, 3], 1),
    y: () => tf.tensor1d([0, 1, 2, 3, 1], 'int32'),
  },
  {
    name: 'softmax and categorical cross-entropy with soft targets',
    build: () => dense('softmax', 'categoricalCrossentropy'),
    x: () => values([3, 3], 2),
    y: () => tf.softmax(values([3, 4], 3) as tf.Tensor2D),
  },
  {
    name: 'logits and tf.losses.softmaxCrossEntropy',
    build: () => dense('linear', tf.losses.softmaxCrossEntropy as never),
    x: () => values([3, 3], 4),
    y: () => tf.oneHot(tf.tensor1d([0, 2, 3], 'int32'), 4),
  },
  {
    name: 'sigmoid and binary cross-entropy',
    build: () => dense('sigmoid', 'binaryCrossentropy'),
    x: () => values([3, 3], 5),
    y: () =>
      tf.tensor2d([
        [0, 1, 1, 0],
        [1, 1, 1, 1],
        [0, 0, 0, 1],
      ]),
  },
  {
    name: 'linear and mean squared error',
    build: () => dense('linear', 'meanSquaredError'),
    x: () => values([3, 3], 6),
    y: () => values([3, 4], 7),
  },
  {
    name: 'tanh and mean squared error, which has no closed form here',
    build: () => dense('tanh', 'meanSquaredError'),
    x: () => values([3, 3], 8),
    y: () => values([3, 4], 9),
  },
  {
    name: "a loss of the user's own",
    build: () =>
      dense('linear', ((yTrue: tf.Tensor, yPred: tf.Tensor) =>
        tf.sum(tf.abs(tf.sub(yTrue, yPred)).pow(3), 1)) as never),
    x: () => values([3, 3], 10),
    y: () => values([3, 4], 11),
  },
  {
    name: 'a sequence with one loss a step and a mask',
    build: () => sequence('sparseCategoricalCrossentropy'),
    x: () => values([3, 5, 2], 12),
    y: () =>
      tf.tensor2d(
        [
          [0, 1, 2, 3, 0],
          [3, 2, 1, 0, 1],
          [1, 1, 1, 1, 1],
        ],
        [3, 5],
        'int32',
      ),
    mask: () =>
      tf.tensor2d([
        [1, 1, 1, 1, 1],
        [1, 1, 0, 0, 0],
        [0, 0, 0, 1, 0],
      ]),
  },
];

function dense(activation: 'softmax' | 'sigmoid' | 'linear' | 'tanh', loss: string, units = 4) {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({
        units,
        inputShape: [3],
        activation,
        kernelInitializer: tf.initializers.randomNormal({ seed: 1 }),
      }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss });
  return model;
}

function sequence(loss: string) {
  const model = tf.sequential({
    layers: [
      tf.layers.simpleRNN({ units: 3, inputShape: [5, 2], returnSequences: true }),
      tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 4, activation: 'softmax' }) }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss });
  return model;
}

describe('openHead', () => {
  before(useTestEngine);

  for (const { name, build, x, y, mask } of cases) {
    it(`agrees with autodiff and finite differences for ${name}`, async () => {
      const head = openHead(build());
      const [input, target, weights] = [x(), y(), mask?.()];
      const z = head.forward([input], false);
      const lossOf = (at: tf.Tensor) => head.perSampleLoss([at], [target], weights);
      const norms = head.gradientNorm(z, [target], weights);
      // An independent gradient: autodiff of the sum of the losses with respect to z, for each sample its own row.
      const gradient = tf.grad((at: tf.Tensor) => lossOf(at).sum())(z[0]!);
      await close(norms, gradient.square().reshape([z[0]!.shape[0], -1]).sum(1).sqrt(), 1e-4);
      const differences = await normByDifferences(z[0]!, lossOf);
      await close(norms, tf.tensor1d(differences), 5e-3);
    });
  }

  it('gives the losses and predictions that tfjs itself computes', async () => {
    for (const { build, x, y, mask } of cases) {
      if (mask) continue;
      const model = build();
      const head = openHead(model);
      const [input, target] = [x(), y()];
      const z = head.forward([input], false);
      await close(head.predictions(z)[0]!, model.predict(input) as tf.Tensor);
      await close(
        head.perSampleLoss(z, [target]).mean(),
        model.evaluate(input, target.toFloat(), { batchSize: 8 }) as tf.Scalar,
        1e-4,
      );
    }
  });

  it('finds the pre-activation behind an activation layer, a softmax layer and a nested model', async () => {
    const x = values([3, 3], 13);
    const inner = () =>
      tf.layers.dense({ units: 4, inputShape: [3], name: `inner_${Math.floor(performance.now() * 1e3)}` });
    const builds = [
      () => tf.sequential({ layers: [inner(), tf.layers.activation({ activation: 'softmax' })] }),
      () => tf.sequential({ layers: [inner(), tf.layers.softmax({ axis: -1 })] }),
      () => {
        const nested = tf.sequential({ layers: [inner(), tf.layers.dense({ units: 4, activation: 'softmax' })] });
        const outer = tf.input({ shape: [3] });
        return tf.model({ inputs: outer, outputs: nested.apply(outer) as tf.SymbolicTensor });
      },
    ];
    for (const build of builds) {
      const model = build();
      model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
      const head = openHead(model);
      const [z] = head.forward([x], false);
      await close(tf.softmax(z!), model.predict(x) as tf.Tensor);
      assert.equal(head.losses[0]!.name, 'sparse softmax cross-entropy');
    }
  });

  it('takes the root of the sum of squares over several outputs', async () => {
    const input = tf.input({ shape: [3] });
    const outputs = [
      tf.layers.dense({ units: 4, activation: 'softmax' }).apply(input) as tf.SymbolicTensor,
      tf.layers.dense({ units: 2 }).apply(input) as tf.SymbolicTensor,
    ];
    const model = tf.model({ inputs: input, outputs });
    model.compile({ optimizer: 'sgd', loss: ['sparseCategoricalCrossentropy', 'meanSquaredError'] });
    const head = openHead(model);
    const z = head.forward([values([3, 3], 14)], false);
    const y = [tf.tensor1d([0, 1, 2], 'int32'), values([3, 2], 15)];
    const parts = head.losses.map((loss, i) => loss.squaredGradientNorm(z[i]!, y[i]!));
    await close(head.gradientNorm(z, y), tf.sqrt(tf.addN(parts)));
  });

  it('scores nothing where the whole sample is masked', async () => {
    const head = openHead(sequence('sparseCategoricalCrossentropy'));
    const z = head.forward([values([1, 5, 2], 16)], false);
    const [y, mask] = [tf.zeros([1, 5], 'int32'), tf.zeros([1, 5])];
    assert.deepEqual(
      [...head.gradientNorm(z, [y], mask).dataSync(), ...head.perSampleLoss(z, [y], mask).dataSync()],
      [0, 0],
    );
  });

  it('leaves the model as it was', async () => {
    const model = dense('softmax', 'sparseCategoricalCrossentropy');
    const x = values([2, 3], 17);
    const before = model.predict(x) as tf.Tensor;
    openHead(model).forward([x], true);
    await close(model.predict(x) as tf.Tensor, before, 0);
  });

  it('refuses a model that is not compiled', () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
    assert.throws(
      () => openHead(model),
      (error: ModelError) => error.code === 'ERR_MODEL' && /compile/.test(error.message),
    );
  });

  it('refuses a loss of probabilities after a linear head, naming layer and remedy', () => {
    assert.throws(
      () => openHead(dense('linear', 'categoricalCrossentropy')),
      /expected a last activation of softmax .* got linear/,
    );
    const reshaped = tf.sequential({
      layers: [
        tf.layers.dense({ units: 4, inputShape: [3], activation: 'softmax' }),
        tf.layers.reshape({ targetShape: [2, 2] }),
      ],
    });
    reshaped.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy' });
    assert.throws(() => openHead(reshaped), /got Reshape/);
  });

  it('refuses a loss that is averaged over the batch already', () => {
    const head = openHead(
      dense('linear', ((yTrue: tf.Tensor, yPred: tf.Tensor) => tf.losses.absoluteDifference(yTrue, yPred)) as never),
    );
    const z = head.forward([values([3, 3], 18)], false);
    assert.throws(
      () => head.perSampleLoss(z, [values([3, 4], 19)]),
      /expected one value a sample, \[3, ...\], got shape \[\]/,
    );
  });

  it('holds the one number of a sample against its own prediction, whatever the loss', () => {
    const head = openHead(dense('linear', 'meanAbsoluteError', 1));
    const [z, y] = [tf.tensor2d([[1], [2], [4]]), tf.tensor1d([2, 4, 3])];
    assert.deepEqual([...head.perSampleLoss([z], [y]).dataSync()], [1, 2, 1]);
    assert.deepEqual([...head.gradientNorm([z], [y]).dataSync()], [1, 1, 1]);
  });

  it('gives a layer that ends two outputs its activation back', () => {
    const [left, right] = [tf.input({ shape: [3] }), tf.input({ shape: [3] })];
    const shared = tf.layers.dense({ units: 4, activation: 'softmax' });
    const outputs = [left, right].map((input) => shared.apply(input) as tf.SymbolicTensor);
    const model = tf.model({ inputs: [left, right], outputs });
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    const inputs = [values([2, 3], 20), values([2, 3], 21)];
    openHead(model).forward(inputs, false);
    const [first] = model.predict(inputs) as tf.Tensor[];
    assert.ok(Math.abs(first!.sum().dataSync()[0]! - 2) < 1e-5, 'probabilities of two samples');
  });
});
