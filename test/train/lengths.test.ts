import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { importance } from '../../src/importance/importance.ts';
import { bindColumns, feedOf } from '../../src/model/binding.ts';
import { openHead } from '../../src/model/head.ts';
import { presample } from '../../src/presample/presample.ts';
import { resample } from '../../src/resample/resample.ts';
import { shutGate } from '../../src/resample/tau-gate.ts';
import { takeCheckpoint, type Checkpoint } from '../../src/train/checkpoint.ts';
import { evaluate } from '../../src/train/evaluate.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { fit } from '../../src/train/fit.ts';
import { dataLossOf } from '../../src/train/step.ts';
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

/** A model that answers each step by that step alone: quick. */
function tagger(): tf.LayersModel {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 3 });
  const model = tf.sequential({
    layers: [tf.layers.dense({ units: 2, activation: 'softmax', inputShape: [null, 2], kernelInitializer })],
  });
  model.compile({ optimizer: tf.train.adam(0.03), loss: 'sparseCategoricalCrossentropy' });
  return model;
}

const buckets = { boundaries: [5, 9, 12], batchSizes: [6, 4, 3] };

describe('fit with buckets of lengths', () => {
  before(useTestEngine);

  /** Runs up to a step; gives the ids and weights of every minibatch, and a checkpoint of each step in `at`. */
  async function run(options: Partial<FitOptions>, at: readonly number[] = []) {
    const model = tagger();
    const batches: string[] = [];
    const checkpoints: Checkpoint[] = [];
    const summary = await fit(model, pulses(90, { tagged: true }), {
      batchSize: 4,
      presampleSize: 12,
      tauThreshold: 1.02,
      hysteresis: 0,
      seed: 5,
      lengths: buckets,
      steps: 60,
      ...options,
      onMinibatch: ({ ids, weights, phase }) => void batches.push(`${phase} ${ids.join()} ${weights.join()}`),
      onStep: async ({ step }, snapshot) => {
        if (at.includes(step)) checkpoints.push(await takeCheckpoint(snapshot()));
      },
    });
    const weights = model.getWeights().flatMap((weight) => [...weight.dataSync()]);
    model.dispose();
    return { batches, checkpoints, summary, weights };
  }

  it('goes on from a checkpoint with exactly the minibatches and parameters of a run that never stopped', async () => {
    const whole = await run({}, [7, 24, 41]);
    assert.ok(whole.summary.openShare > 0 && whole.summary.openShare < 1, `${whole.summary.openShare}`);
    for (const [i, step] of [7, 24, 41].entries()) {
      const rest = await run({ resume: whole.checkpoints[i]! }, [50]);
      assert.deepEqual(rest.batches, whole.batches.slice(step));
      assert.deepEqual(rest.weights, whole.weights);
      const last = await run({ resume: rest.checkpoints[0]! });
      assert.deepEqual(last.batches, whole.batches.slice(50));
    }
  });

  it('trains on each sample of its epochs once while the gate is shut, to the last of each bucket', async () => {
    const { batches, summary } = await run({ scheme: 'uniform', steps: undefined, epochs: 2 });
    const ids = batches.flatMap((batch) => batch.split(' ')[1]!.split(','));
    assert.equal(new Set(ids).size, 180);
    assert.deepEqual([ids.length, summary.samplesSeen, summary.epochs], [180, 180, 2]);
  });

  it('counts what it leaves out as passed by, so that an epoch stays an epoch', async () => {
    const dropped: string[] = [];
    const epochs: number[] = [];
    const { summary } = await run({
      scheme: 'uniform',
      steps: undefined,
      epochs: 2,
      lengths: { boundaries: [5, 9], truncate: 'drop' },
      onDrop: (id) => dropped.push(id),
      onEpoch: (epoch) => void epochs.push(epoch),
    });
    assert.ok(dropped.length > 10);
    assert.deepEqual(
      [summary.samplesSeen, summary.samplesTrained, summary.samplesDropped],
      [180, 180 - dropped.length, dropped.length],
    );
    assert.deepEqual(epochs, [0, 1]);
  });

  it('adds up, over an epoch, to the mean gradient of all samples', async () => {
    const model = tagger();
    const head = openHead(model);
    const corpus = pulses(50, { tagged: true });
    const binding = bindColumns(model, corpus.schema);
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const sum = async (lengths: FitOptions['lengths'], sizes: { presampleSize: number; batchSize: number }) => {
      const gate = shutGate();
      const fills = presample({ schema: corpus.schema, gate, lengths, ...sizes });
      const batches = resample({ gate, batchSize: sizes.batchSize, seed: 1 })(
        importance(undefined)(fills(corpus.samples({ seed: 2, epochs: 1 }))),
      );
      let total: number[] = [];
      for await (const batch of batches) {
        tf.tidy(() => {
          const step = () => dataLossOf(head, feedOf(model, binding, batch), tf.tensor1d(batch.weights));
          const { grads } = tf.variableGrads(step, variables);
          const flat = Object.values(grads).flatMap((gradient) => [...gradient.dataSync()]);
          total = flat.map((value, i) => value + (total[i] ?? 0));
        });
        batch.dispose();
      }
      return total;
    };
    const alone = await sum(undefined, { presampleSize: 1, batchSize: 1 }); // Σ_i ∇loss_i
    const bucketed = await sum(buckets, { presampleSize: 4, batchSize: 4 }); // Σ_i ∇loss_i / b
    assert.ok(alone.some((value) => Math.abs(value) > 1e-2));
    alone.forEach((value, i) => assert.ok(Math.abs(value / 4 - bucketed[i]!) < 1e-5, `${value / 4} ${bucketed[i]}`));
    model.dispose();
  });
});

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
