import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { LabelError } from '../../src/errors.ts';
import { ModelError, OptionsError, ShapeError } from '../../src/errors.ts';
import { modelScorer } from '../../src/importance/model-scorer.ts';
import { schemeOf } from '../../src/importance/schemes.ts';
import { openHead } from '../../src/model/head.ts';
import { importanceWeights, probabilities } from '../../src/resample/draw.ts';
import { createRng } from '../../src/stream/random.ts';
import { Presample } from '../../src/stream/presample.ts';
import type { Schema } from '../../src/stream/columns.ts';
import { useTestEngine } from '../test-engine.ts';

const B = 48;

function lstm(): tf.LayersModel {
  const seeded = (seed: number) => tf.initializers.randomUniform({ minval: -0.5, maxval: 0.5, seed });
  const model = tf.sequential({
    layers: [
      tf.layers.lstm({ units: 16, inputShape: [7, 3], kernelInitializer: seeded(1), recurrentInitializer: seeded(2) }),
      tf.layers.dropout({ rate: 0.5, seed: 9 }),
      tf.layers.dense({ units: 4, activation: 'softmax', kernelInitializer: seeded(3) }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
  return model;
}

function cnn(): tf.LayersModel {
  const seeded = (seed: number) => tf.initializers.randomNormal({ stddev: 0.4, seed });
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({
        filters: 4,
        kernelSize: 3,
        activation: 'relu',
        inputShape: [6, 6, 1],
        kernelInitializer: seeded(4),
      }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 4, activation: 'softmax', kernelInitializer: seeded(5) }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
  return model;
}

/** Four noisy prototypes: some samples are easy, some lie between two classes. */
function presampleFor(shape: readonly number[]): { presample: Presample; schema: Schema } {
  const rng = createRng(5, 'prototypes');
  const size = shape.reduce((a, b) => a * b, 1);
  const prototypes = Array.from({ length: 4 }, () => Float32Array.from({ length: size }, () => 2 * rng.uniform() - 1));
  const [x, y] = [new Float32Array(B * size), new Int32Array(B)];
  for (let i = 0; i < B; i++) {
    y[i] = rng.integer(4);
    const noise = 2.5 * rng.uniform();
    for (let j = 0; j < size; j++) x[i * size + j] = prototypes[y[i]!]![j]! + noise * (2 * rng.uniform() - 1);
  }
  const ids = Array.from({ length: B }, (_, i) => `s:${i}`);
  const columns = {
    x: { type: 'float32', shape: [B, ...shape], data: x },
    y: { type: 'int32', shape: [B], data: y },
  } as const;
  return {
    presample: new Presample(ids, columns, 'importance'),
    schema: { x: { type: 'float32', shape }, y: { type: 'int32', shape: [] } },
  };
}

/** The gradient of each sample's own loss with respect to all parameters, laid end to end; dropout off. */
function perSampleGradients(model: tf.LayersModel, presample: Presample): Float32Array[] {
  const head = openHead(model);
  const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
  return presample.ids.map((_, i) =>
    tf.tidy(() => {
      const x = presample.tensor('x').slice(i, 1);
      const y = presample.tensor('y').slice(i, 1);
      const { grads } = tf.variableGrads(() => head.perSampleLoss(head.forward([x], false), [y]).sum(), variables);
      return Float32Array.from(variables.flatMap((variable) => [...grads[variable.name]!.dataSync()]));
    }),
  );
}

const ranks = (values: readonly number[]) => {
  const order = values.map((_, i) => i).toSorted((a, b) => values[a]! - values[b]!);
  const rank = Array.from(values, () => 0);
  order.forEach((index, position) => (rank[index] = position));
  return rank;
};
/** Spearman's rank correlation; no ties are expected among real numbers. */
function spearman(a: readonly number[], b: readonly number[]): number {
  const [ra, rb] = [ranks(a), ranks(b)];
  const n = a.length;
  return 1 - (6 * ra.reduce((sum, rank, i) => sum + (rank - rb[i]!) ** 2, 0)) / (n * (n * n - 1));
}

/** A few steps of plain training, so that some samples have become easy. */
async function trainABit(model: tf.LayersModel, presample: Presample): Promise<void> {
  model.compile({ optimizer: tf.train.adam(0.02), loss: 'sparseCategoricalCrossentropy' });
  const y = presample.tensor('y').toFloat();
  for (let i = 0; i < 15; i++) await model.trainOnBatch(presample.tensor('x'), y);
  y.dispose();
}

describe('modelScorer', () => {
  before(useTestEngine);

  for (const [name, build, shape] of [
    ['LSTM', lstm, [7, 3]],
    ['CNN', cnn, [6, 6, 1]],
  ] as const)
    describe(`on a small ${name}`, () => {
      const { presample, schema } = presampleFor(shape);
      let model: tf.LayersModel;
      let gradients: Float32Array[];
      before(async () => {
        model = build();
        await trainABit(model, presample);
        gradients = perSampleGradients(model, presample);
      });
      const scoresBy = (scheme: string, scoreBatchSize = 256) =>
        modelScorer(openHead(model), { scheme: schemeOf(scheme), schema, scoreBatchSize }).score(presample);

      it('correlates with the exact gradient norms by the bound, and better than by the loss', async () => {
        const norms = gradients.map((gradient) => Math.hypot(...gradient));
        const byBound = spearman([...(await scoresBy('upper-bound'))], norms);
        const byLoss = spearman([...(await scoresBy('loss'))], norms);
        console.log(
          `      Spearman with the gradient norm: upper bound ${byBound.toFixed(4)}, loss ${byLoss.toFixed(4)}`,
        );
        assert.ok(byBound > byLoss);
        assert.ok(byBound > 0.9);
      });

      for (const scheme of ['upper-bound', 'loss', 'stale'])
        it(`keeps the expected gradient exactly the mean under ${scheme} scores`, async () => {
          const fresh = await scoresBy(scheme === 'stale' ? 'upper-bound' : scheme);
          // Stale scores are those of other parameters: any positive numbers will do.
          const scores = scheme === 'stale' ? fresh.map((score, i) => score + 0.1 + (i % 7)) : fresh;
          const g = probabilities(scores);
          const w = importanceWeights(g);
          const width = gradients[0]!.length;
          for (let j = 0; j < width; j++) {
            const mean = gradients.reduce((sum, gradient) => sum + gradient[j]!, 0) / B;
            const expected = gradients.reduce((sum, gradient, i) => sum + g[i]! * w[i]! * gradient[j]!, 0);
            assert.ok(Math.abs(expected - mean) < 1e-6, `${expected} is not ${mean}`);
          }
        });

      it('gives the same scores in micro-batches of any size, with dropout off', async () => {
        const whole = await scoresBy('upper-bound');
        for (const size of [1, 7, B]) {
          const parts = await scoresBy('upper-bound', size);
          whole.forEach((score, i) => assert.ok(Math.abs(score - parts[i]!) < 1e-5));
        }
      });

      it('leaves no tensor behind but the uploaded columns', async () => {
        await scoresBy('upper-bound');
        const before = tf.memory().numTensors;
        await scoresBy('upper-bound', 5);
        assert.equal(tf.memory().numTensors, before);
      });
    });

  it('refuses a label that the model has no class for, by sample', async () => {
    const { presample, schema } = presampleFor([7, 3]);
    presample.column('y').data[9] = 4;
    const scorer = modelScorer(openHead(lstm()), { scheme: schemeOf('loss'), schema, scoreBatchSize: 8 });
    await assert.rejects(scorer.score(presample), (error: LabelError) => {
      assert.equal(error.code, 'ERR_LABEL');
      assert.match(error.message, /Sample s:9: expected a label in `y` of 0 to 3, got 4/);
      return true;
    });
  });

  it('refuses columns that do not fit the model', () => {
    const scheme = schemeOf('upper-bound');
    const score = (schema: Schema) => () => modelScorer(openHead(lstm()), { scheme, schema, scoreBatchSize: 8 });
    const y = { type: 'int32', shape: [] } as const;
    assert.throws(
      score({ x: { type: 'float32', shape: [7, 5] }, y }),
      /expected samples of shape \[7, 3\], got column `x` of \[7, 5\]/,
    );
    assert.throws(score({ x: { type: 'float32', shape: [7, 3] } }), ShapeError);
  });

  it('refuses a scheme that never scores, and one that does not exist', () => {
    const { schema } = presampleFor([7, 3]);
    assert.throws(
      () => modelScorer(openHead(lstm()), { scheme: schemeOf('uniform'), schema, scoreBatchSize: 8 }),
      ModelError,
    );
    assert.throws(() => schemeOf('upper-bond'), OptionsError);
  });
});
