import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { OptionsError } from '../../src/errors.ts';
import type { Minibatch } from '../../src/stream/minibatch.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { fit } from '../../src/train/fit.ts';
import { modeOf, modes, withMode } from '../../src/train/modes.ts';
import { rateFactor } from '../../src/train/rate-scaling.ts';
import type { StepRecord } from '../../src/train/step-record.ts';
import { useTestEngine } from '../test-engine.ts';
import { clusters as stableClusters } from '../importance/toys.ts';
import { classifier, clusters } from './toy.ts';

async function watched(options: Partial<FitOptions>) {
  const batches: (Pick<Minibatch, 'ids' | 'weights' | 'phase' | 'turn' | 'isLast'> & {
    presample: readonly string[];
  })[] = [];
  const records: StepRecord[] = [];
  const model = classifier();
  const summary = await fit(model, clusters().corpus, {
    batchSize: 8,
    presampleSize: 24,
    tauThreshold: 1.1,
    seed: 5,
    learningRate: 0.02,
    steps: 80,
    onMinibatch: ({ ids, weights, phase, turn, isLast, presample }) =>
      void batches.push({ ids, weights, phase, turn, isLast, presample: presample.ids }),
    onStep: (record) => void records.push(record),
    ...options,
  });
  return { batches, records, summary };
}

describe('draws', () => {
  before(useTestEngine);

  it('draws k minibatches from one scored presample, and fetches the next when the last is trained on', async () => {
    const before = tf.memory().numTensors;
    const scored: string[] = [];
    const { batches, summary } = await watched({
      draws: 3,
      onScores: (batch) => void (batch.ids.length === 24 && scored.push(batch.ids[0]!)),
    });
    const drawn = batches.filter(({ phase }) => phase === 'importance');
    assert.ok(drawn.length > 30);
    drawn.forEach(({ turn, isLast, presample }, i) => {
      if (turn > 0) assert.equal(presample[0], drawn[i - 1]!.presample[0]);
      assert.equal(isLast, turn === 2);
    });
    assert.ok(Math.abs(scored.length - drawn.length / 3) < 1);
    const uniform = batches.length - drawn.length;
    assert.equal(summary.samplesSeen, 8 * uniform + 24 * Math.ceil(drawn.length / 3));
    assert.ok(tf.memory().numTensors - before < 20, 'the presamples are gone');
  });

  it('weighs every draw by the probabilities of its presample', async () => {
    let scores = new Float32Array();
    await watched({
      draws: 4,
      uniformFloor: 0.2,
      onScores: (batch, given) => void (batch.ids.length === 24 && (scores = given.slice())),
      onMinibatch: ({ phase, weights, picks }) => {
        if (phase === 'uniform') return;
        const total = scores.reduce((sum, score) => sum + score, 0);
        picks.forEach((row, i) => {
          const g = 0.8 * (scores[row]! / total) + 0.2 / 24;
          assert.ok(Math.abs(weights[i]! * 24 * g - 1) < 1e-4);
        });
        assert.ok(weights.every((weight) => weight <= 5 + 1e-4));
      },
    });
  });
});

describe('rateFactor', () => {
  it('is 1 for uniform steps and without scaling, τ by the square root, and capped', () => {
    const at = (tau: number, noise: number, slowdown = 1.5) => ({ tau, noise, slowdown });
    assert.equal(rateFactor('none', at(3, 9)), 1);
    assert.equal(rateFactor({ power: 0.5, cap: 4 }, at(1, 9)), 1);
    assert.equal(rateFactor({ power: 0.5, cap: 4 }, at(3, 9)), 3);
    assert.equal(rateFactor({ power: 1, cap: 4 }, at(3, 9)), 4);
    assert.equal(rateFactor('gain', at(2, 0)), 1);
    assert.ok(Math.abs(rateFactor('gain', at(2, 3)) - 4 / 1.75) < 1e-12);
    assert.equal(rateFactor('gain', at(10, Infinity)), 4);
    assert.equal(rateFactor('cost', at(2, 3)), 1.5);
    assert.equal(rateFactor('cost', at(2, 0)), 1);
  });

  it('acts on the steps drawn by importance alone', async () => {
    const { records } = await watched({ rateScaling: { power: 0.5, cap: 1.5 } });
    const of = (phase: string) => records.filter((record) => record.phase === phase).map(({ lr }) => lr);
    assert.ok(of('uniform').every((lr) => lr === 0.02));
    assert.ok(of('importance').every((lr) => lr > 0.02 && lr <= 0.02 * 1.5 + 1e-9));
    assert.ok(of('importance').length > 10);
  });
});

describe('modes', () => {
  before(useTestEngine);

  it('is `fast` for those who say nothing of scores, gate or draws, and `paper` for the others', () => {
    assert.equal(modeOf({}), 'fast');
    assert.equal(modeOf({ batchSize: 8, presampleSize: 24, steps: 3, seed: 1 }), 'fast');
    for (const said of [{ scheme: 'loss' }, { tauThreshold: 1.2 }, { draws: 2 }, { uniformFloor: 0.1 }, { score: {} }])
      assert.equal(modeOf(said), 'paper', JSON.stringify(said));
    assert.equal(modeOf({ mode: 'fast', tauThreshold: 1.2 }), 'fast');
    assert.equal(modeOf({ mode: 'paper' }), 'paper');
  });

  it('is `fast` in a run that says nothing else', async () => {
    const plain = { tauThreshold: undefined } as Partial<FitOptions>; // in place of the tests' own
    const [named, unnamed] = [await watched({ ...plain, mode: 'fast' }), await watched(plain)];
    assert.deepEqual(unnamed.batches, named.batches);
    assert.equal(unnamed.summary.openShare, 0);
    const paper = await watched({ ...plain, mode: 'paper', tauThreshold: 1.1 });
    assert.notDeepEqual(unnamed.batches, paper.batches);
  });

  it('is Algorithm 1 as `paper`, and where the gate is set', async () => {
    assert.deepEqual(modes.paper, {});
    const [named, plain] = [await watched({ mode: 'paper' }), await watched({})];
    assert.deepEqual(named.batches, plain.batches);
  });

  it('gives options before those of the mode', () => {
    assert.equal(withMode({ mode: 'fast', draws: 7 })['draws'], 7);
    assert.equal(withMode({ mode: 'fast', draws: undefined })['draws'], modes.fast.draws);
    assert.equal(withMode({ draws: 7 })['tauThreshold'], undefined);
  });

  it('trains in mode `fast`, and leaves nothing behind', async () => {
    const model = classifier();
    const options = {
      batchSize: 8,
      presampleSize: 24,
      seed: 5,
      learningRate: 0.02,
      mode: 'fast',
    } as const;
    await fit(model, clusters().corpus, { ...options, steps: 3 });
    const before = tf.memory().numTensors;
    const summary = await fit(model, clusters().corpus, { ...options, steps: 150 });
    assert.ok(summary.lastLoss < 0.8 * summary.firstLoss);
    assert.equal(tf.memory().numTensors, before);
  });

  it('is uniform sampling in mode `fast` while no sample comes back, whatever its ids', async () => {
    // These ids are new in every epoch: nothing can be remembered, and nothing must be refused.
    const [fast, uniform] = [await watched({ mode: 'fast' }), await watched({ scheme: 'uniform' })];
    assert.deepEqual(fast.batches, uniform.batches);
  });

  it('leaves out easy samples in mode `fast` when they come back, and scores for nothing', async () => {
    const weights: number[] = [];
    const summary = await fit(classifier(), stableClusters(), {
      batchSize: 8,
      presampleSize: 24,
      seed: 5,
      learningRate: 0.02,
      steps: 200,
      mode: 'fast',
      onMinibatch: (batch) => void weights.push(...batch.weights),
    });
    assert.equal(summary.openShare, 0);
    // Those that stand for two, over the running mean of all weights.
    assert.ok(weights.filter((weight) => weight > 1.2 && weight < 2).length > 100);
    assert.ok(weights.every((weight) => weight > 0.5 && weight < 2));
    assert.ok(summary.samplesSeen === 1600);
  });

  it('takes a scheme that is named in mode `fast` too', async () => {
    const { batches } = await watched({ mode: 'fast', scheme: 'upper-bound', tauThreshold: 1.05 });
    assert.ok(batches.some(({ phase }) => phase === 'importance'));
  });

  it('tells the noise scale where it was asked for', async () => {
    const { records } = await watched({ mode: 'fast', scheme: 'upper-bound', tauThreshold: 'progress' });
    assert.ok(records.at(-1)!.noiseScale! > 0);
    const { records: plain } = await watched({});
    assert.equal(plain.at(-1)!.noiseScale, undefined);
  });

  it('refuses a mode that does not exist', async () => {
    await assert.rejects(watched({ mode: 'quick' as never }), OptionsError);
    await assert.rejects(watched({ rateScaling: { power: 2 } }), OptionsError);
  });
});
