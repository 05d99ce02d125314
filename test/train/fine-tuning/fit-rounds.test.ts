import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { openHead } from '../../../src/model/head.ts';
import { takeCheckpoint, type Checkpoint } from '../../../src/train/checkpoint.ts';
import { evaluate } from '../../../src/train/evaluate.ts';
import { fit } from '../../../src/train/fit.ts';
import type { FitOptions } from '../../../src/train/fit-options.ts';
import type { StepRecord } from '../../../src/train/step-record.ts';
import { useTestEngine } from '../../test-engine.ts';
import { classifier, colours, weightsOf } from './pictures.ts';

const common = { batchSize: 6, presampleSize: 18, seed: 7, tauThreshold: 1.01, learningRate: 0.02 } as const;
const rounds = [{ train: 'head' }, { train: 1, trunkRate: 0.5, learningRate: 0.004 }] as const;

/** The names of weights that differ. */
const changed = (before: Record<string, number[]>, after: Record<string, number[]>) =>
  Object.keys(before).filter((name) => before[name]!.some((value, i) => value !== after[name]![i]));

describe('fit with fineTuning', () => {
  before(useTestEngine);

  it('trains the head first, then the last blocks, and never the statistics or what lies deeper', async () => {
    const before = tf.memory().numTensors;
    const { corpus } = colours();
    const model = classifier();
    const start = weightsOf(model);
    const records: StepRecord[] = [];
    let afterHead = start;
    const summary = await fit(model, corpus, {
      ...common,
      steps: 40,
      validation: corpus,
      fineTuning: { rounds: [...rounds] },
      onStep: (record) => {
        records.push(record);
        if (record.step === 20) afterHead = weightsOf(model);
      },
    });
    assert.deepEqual(changed(start, afterHead), ['head/kernel', 'head/bias']);
    const last = ['block_1_conv/kernel', 'block_1_norm/gamma', 'block_1_norm/beta', 'head/kernel', 'head/bias'];
    assert.deepEqual(changed(afterHead, weightsOf(model)).toSorted(), last.toSorted());
    assert.deepEqual(
      records.map(({ step }) => step),
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    assert.ok(records.every(({ share }, i) => i === 0 || share >= records[i - 1]!.share));
    assert.equal(records.at(-1)!.samplesTrained, 240);
    assert.equal(summary.steps, 40);
    assert.ok(summary.openShare > 0, 'the gate opened');
    const { loss, acc } = await evaluate(openHead(model), corpus); // compiled for class numbers, as before
    assert.ok(loss! < summary.validation.first!['loss']! / 2, `${loss}`);
    assert.ok(acc! > 0.8, `${acc}`);
    model.dispose();
    model.optimizer.dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  it('reads each sample once a round, however many steps there are', async () => {
    const { corpus, read } = colours(30);
    const model = classifier();
    await fit(model, corpus, { ...common, epochs: 8, fineTuning: { rounds: [...rounds] } });
    assert.equal(read(), 60);
    model.dispose();
  });

  it('goes on from a checkpoint of either round as if it had never stopped', async () => {
    const { corpus } = colours();
    const options: FitOptions = {
      ...common,
      steps: 24,
      averaging: 0.9,
      scheme: 'upper-bound',
      fineTuning: { rounds: [{ ...rounds[0], ridge: 0.1 }, rounds[1]], labelSmoothing: 0.1 },
    };
    const checkpoints = new Map<number, Checkpoint>();
    const whole = classifier();
    await fit(whole, corpus, {
      ...options,
      onStep: async ({ step }, snapshot) => {
        if (step === 5 || step === 17) checkpoints.set(step, await takeCheckpoint(snapshot()));
      },
    });
    for (const [step, resume] of checkpoints) {
      assert.equal(resume.state['step'], step);
      const model = classifier();
      const steps: number[] = [];
      await fit(model, corpus, { ...options, resume, onStep: (record) => void steps.push(record.step) });
      assert.equal(steps[0], step + 1);
      assert.equal(steps.at(-1), 24);
      assert.deepEqual(weightsOf(model), weightsOf(whole));
      model.dispose();
    }
    whole.dispose();
  });

  it('begins the head at the ridge regression where a round asks for it', async () => {
    const { corpus } = colours();
    const model = classifier();
    const { validation } = await fit(model, corpus, {
      ...common,
      steps: 1,
      learningRate: 1e-6,
      validation: corpus,
      fineTuning: { rounds: [{ train: 'head', ridge: 0.01 }], labelSmoothing: 0.1 },
    });
    assert.ok(validation.first!['acc']! > 0.9, `${validation.first!['acc']}`);
    model.dispose();
    await assert.rejects(
      fit(model, corpus, { ...common, steps: 1, fineTuning: { rounds: [{ train: 1, ridge: 0.1 }] } }),
      /`ridge` belongs to a round that trains the 'head' alone/,
    );
  });

  it('ends a round after its own number of steps, and leaves the rest to the next', async () => {
    const { corpus } = colours();
    const model = classifier();
    const rates: number[] = [];
    const { steps } = await fit(model, corpus, {
      ...common,
      scheme: 'uniform',
      steps: 20,
      fineTuning: {
        rounds: [
          { train: 'head', steps: 3, learningRate: 0.01 },
          { train: 1, learningRate: 0.001 },
        ],
      },
      onStep: ({ lr }) => void rates.push(lr),
    });
    assert.equal(steps, 20);
    assert.deepEqual(
      [rates.filter((rate) => rate === 0.01).length, rates.filter((rate) => rate === 0.001).length],
      [3, 17],
    );
    model.dispose();
  });

  it('multiplies learning rates below the head', async () => {
    const { corpus } = colours();
    const start = classifier();
    const before = weightsOf(start);
    const moved = async (trunkRate: number) => {
      const model = classifier();
      model.compile({ optimizer: tf.train.sgd(0.1), loss: 'sparseCategoricalCrossentropy' });
      await fit(model, corpus, {
        ...common,
        scheme: 'uniform',
        steps: 1,
        fineTuning: { rounds: [{ train: 1, trunkRate }] },
      });
      const after = weightsOf(model);
      model.dispose();
      return Object.fromEntries(
        Object.keys(before).map((name) => [name, after[name]!.map((v, i) => v - before[name]![i]!)]),
      );
    };
    const [full, quarter] = [await moved(1), await moved(0.25)];
    const [kernel, head] = ['block_1_conv/kernel', 'head/kernel'];
    assert.ok(full[kernel]!.some((value) => Math.abs(value) > 1e-5));
    for (const [i, value] of full[kernel]!.entries()) assert.ok(Math.abs(quarter[kernel]![i]! - value / 4) < 1e-6);
    for (const [i, value] of full[head]!.entries()) assert.ok(Math.abs(quarter[head]![i]! - value) < 1e-6);
    start.dispose();
  });

  it('updates the statistics where it is told to use those of the batch', async () => {
    const { corpus } = colours();
    const model = classifier();
    const start = weightsOf(model);
    await fit(model, corpus, { ...common, steps: 3, fineTuning: { rounds: [{ train: 'all' }], batchNorm: 'batch' } });
    const names = changed(start, weightsOf(model));
    assert.ok(names.includes('block_1_norm/moving_mean'), names.join());
    assert.ok(!names.some((name) => name.startsWith('normalize')));
    model.dispose();
  });

  it('refuses rounds that the model does not have, or that forget what was trained', async () => {
    const { corpus } = colours();
    const model = classifier();
    const run = (given: object) =>
      fit(model, corpus, { ...common, steps: 4, fineTuning: given as FitOptions['fineTuning'] });
    await assert.rejects(run({ rounds: [{ train: 3 }] }), {
      code: 'ERR_MODEL',
      message: /expected fewer than 3 blocks/,
    });
    await assert.rejects(run({ rounds: [{ train: { after: 'nothing' } }] }), {
      code: 'ERR_MODEL',
      message: /a layer `nothing`/,
    });
    await assert.rejects(run({ rounds: [{ train: 1 }, { train: 'head' }] }), {
      code: 'ERR_RUN',
      message: /Order the rounds by depth/,
    });
    await assert.rejects(run({ rounds: [] }), { code: 'ERR_OPTIONS' });
    await assert.rejects(run({ rounds: [{ train: 'head', shares: 1 }] }), { code: 'ERR_OPTIONS', message: /shares/ });
    model.dispose();
  });
});
