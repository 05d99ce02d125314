import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { bitsOf, ownDrawRows } from '../../src/engine/draw-rows.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { modelScorer } from '../../src/importance/model-scorer.ts';
import { upperBound } from '../../src/importance/upper-bound.ts';
import { openHead, type Head } from '../../src/model/head.ts';
import { drawWithReplacement, importanceWeights, probabilities } from '../../src/resample/draw.ts';
import { select } from '../../src/resample/select.ts';
import { Smoothing, SmoothingOptions } from '../../src/resample/smoothing.ts';
import { tau } from '../../src/resample/tau.ts';
import { Minibatch } from '../../src/stream/minibatch.ts';
import { Presample } from '../../src/stream/presample.ts';
import { createRng, type Rng } from '../../src/stream/random.ts';
import { proportional } from '../../src/stream/selection.ts';
import { gatedStep } from '../../src/train/gated-step.ts';
import { adam } from '../../src/train/optimizers/adam.ts';
import { weightedStep } from '../../src/train/step.ts';
import { describeWithTensorflow } from '../engine/tensorflow/with-tensorflow.ts';
import { useTestEngine } from '../test-engine.ts';

const [presampleSize, batchSize, features, classes] = [24, 6, 5, 4];

/** The numbers that the host draws by, from the same generator. */
const uniformsOf = (rng: Rng, count: number) => Float64Array.from({ length: count }, () => rng.uniform());

function classifier(): Head {
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 8, activation: 'tanh', inputShape: [features], kernelInitializer: seeded(1) }),
      tf.layers.dense({ units: classes, activation: 'softmax', kernelInitializer: seeded(2) }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
  return openHead(model);
}

const schema = { x: { type: 'float32', shape: [features] }, y: { type: 'int32', shape: [] } } as const;
function presampleAt(turn: number): Presample {
  const data = Float32Array.from({ length: presampleSize * features }, (_, i) => Math.sin(12.9898 * i + turn));
  const labels = Int32Array.from({ length: presampleSize }, (_, row) => (row * 7 + turn) % classes);
  const ids = Array.from({ length: presampleSize }, (_, row) => `${turn}/${row}`);
  const x = { type: 'float32', shape: [presampleSize, features], data } as const;
  return new Presample(ids, { x, y: { type: 'int32', shape: [presampleSize], data: labels } }, 'importance');
}

/** What a gated step tells. */
interface Told {
  readonly scores: readonly number[];
  readonly tau: number;
  readonly ids: readonly string[];
  readonly weights: readonly number[];
  readonly losses: readonly number[];
}

const settings = () => ({ optimizer: adam({ learningRate: 0.05 }), weightDecay: 0.01, clipNorm: 1 });

/** Algorithm 1 by its stages: score, read, draw on the host, gather, train. */
async function byStages(steps: number, draws: number): Promise<{ told: Told[]; weights: number[] }> {
  const head = classifier();
  const options = settings();
  const scorer = modelScorer(head, { scheme: upperBound, schema, scoreBatchSize: presampleSize });
  const train = weightedStep(head, { ...options, compilable: true }, false);
  const rng = createRng(7, 'resample');
  const told: Told[] = [];
  for (let turn = 0; turn < steps; turn++) {
    const presample = presampleAt(turn);
    const scores = await scorer.score(presample);
    const moment = { tau: tau(scores), share: 0 };
    const picked = select(scores, moment, {
      selection: proportional,
      smoothing: new Smoothing(SmoothingOptions.parse({})),
      batchSize,
      draws,
      rng,
    });
    const losses: number[] = [];
    for (const pick of picked) {
      const batch = new Minibatch(presample, { phase: 'importance', ...pick, tau: 1, version: turn });
      tf.tidy(() => {
        const feed = { inputs: [batch.tensor('x')], targets: [batch.tensor('y')] };
        losses.push(train(feed, tf.tensor1d(batch.weights), tf.scalar(0.05)).loss.arraySync());
      });
      batch.dispose();
    }
    const ids = picked.flatMap(({ picks }) => [...picks]).map((row) => presample.ids[row]!);
    const weights = picked.flatMap((pick) => [...pick.weights]);
    told.push({ scores: [...scores], tau: moment.tau, ids, weights, losses });
    presample.release();
  }
  return { told, weights: finish(head, options.optimizer) };
}

function inOne(steps: number, draws: number): { told: Told[]; weights: number[] } {
  const head = classifier();
  const options = settings();
  const step = gatedStep(head, { ...options, score: upperBound.score! }, batchSize);
  const rng = createRng(7, 'resample');
  const told: Told[] = [];
  for (let turn = 0; turn < steps; turn++) {
    const presample = presampleAt(turn);
    tf.tidy(() => {
      const feed = { inputs: [presample.tensor('x')], targets: [presample.tensor('y')] };
      const { scores, picks, weights, losses } = step(feed, uniformsOf(rng, draws * batchSize), tf.scalar(0.05));
      const read = scores.dataSync<'float32'>();
      const ids = [...picks.dataSync()].map((row) => presample.ids[row]!);
      const each = losses.map((loss) => loss.arraySync());
      told.push({ scores: [...read], tau: tau(read), ids, weights: [...weights.dataSync()], losses: each });
    });
    presample.release();
  }
  return { told, weights: finish(head, options.optimizer) };
}

function finish(head: Head, optimizer: ReturnType<typeof adam>): number[] {
  const weights = head.model.getWeights().flatMap((weight) => [...weight.dataSync()]);
  optimizer.dispose();
  head.model.dispose();
  return weights;
}

describe('gatedStep', () => {
  describeWithTensorflow('on TensorFlow', () => {
    before(() => useEngine('tensorflow'));
    after(useTestEngine);

    for (const draws of [1, 3]) {
      it(`scores, draws, weighs and decides as the separate stages do, bit for bit, ${draws} a presample`, async () => {
        const [stages, one] = [await byStages(6, draws), inOne(6, draws)];
        const without = (step: Told) => ({ ...step, losses: [] });
        assert.deepEqual(one.told.map(without), stages.told.map(without));
        const losses = one.told.flatMap((step) => step.losses);
        stages.told
          .flatMap((step) => step.losses)
          .forEach((loss, i) => assert.ok(Math.abs(loss - losses[i]!) < 1e-5, `loss ${i}: ${losses[i]}, not ${loss}`));
        one.weights.forEach((weight, i) => assert.ok(Math.abs(weight - stages.weights[i]!) < 1e-5));
        assert.ok(new Set(one.told.flatMap(({ weights }) => weights)).size > 10);
      });
    }

    it('refuses uniform numbers that make no whole minibatch', () => {
      const head = classifier();
      const { optimizer, ...options } = settings();
      const step = gatedStep(head, { ...options, optimizer, score: upperBound.score! }, batchSize);
      const presample = presampleAt(0);
      tf.tidy(() => {
        const feed = { inputs: [presample.tensor('x')], targets: [presample.tensor('y')] };
        assert.throws(() => step(feed, new Float64Array(5), tf.scalar(1)), /expected a multiple of 6 uniform numbers/u);
      });
      presample.release();
      finish(head, optimizer);
    });

    it('draws the rows that the host draws, for any scores and numbers', () => {
      const score = fc.oneof(fc.constant(0), fc.float({ min: 2 ** -100, max: 1e3, noNaN: true }));
      const below1 = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
      fc.assert(
        fc.property(
          fc.array(score, { minLength: 1, maxLength: 70 }),
          fc.array(below1, { minLength: 1, maxLength: 20 }),
          (values, numbers) => {
            const scores = Float32Array.from(values);
            const g = probabilities(scores);
            const left = numbers.values();
            const rng = { ...createRng(1), uniform: () => left.next().value ?? NaN };
            const wanted = drawWithReplacement(g, numbers.length, rng);
            const weights = importanceWeights(g);
            const [picks, drawn] = tf.tidy(() => {
              const made = ownDrawRows()!(tf.tensor1d(scores), bitsOf(Float64Array.from(numbers)));
              return [made.picks.dataSync(), made.weights.dataSync()];
            });
            assert.deepEqual([...picks], [...wanted]);
            assert.deepEqual([...drawn], [...Float32Array.from(wanted, (row) => weights[row]!)]);
          },
        ),
        { numRuns: 200 },
      );
    });
  });

  it('refuses an engine that cannot draw by itself', async () => {
    await useEngine('cpu');
    const head = classifier();
    const { optimizer, ...options } = settings();
    assert.throws(
      () => gatedStep(head, { ...options, optimizer, score: upperBound.score! }, batchSize),
      /expected an engine that draws by itself, got `cpu`/u,
    );
    head.model.dispose();
    await useTestEngine();
  });
});
