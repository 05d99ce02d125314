import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { takeCheckpoint, type Checkpoint } from '../../src/train/checkpoint.ts';
import { EarlyStopping, EarlyStoppingOptions } from '../../src/train/early-stopping.ts';
import { fit } from '../../src/train/fit.ts';
import type { Measures } from '../../src/train/step-record.ts';
import { useTestEngine } from '../test-engine.ts';
import { classifier, clusters } from './toy.ts';

/** A model of one weight, which tells one moment from another. */
const oneWeight = () => tf.sequential({ layers: [tf.layers.dense({ units: 1, useBias: false, inputShape: [1] })] });
const setTo = (model: tf.LayersModel, value: number) => tf.tidy(() => model.setWeights([tf.tensor2d([[value]])]));
const valueOf = (model: tf.LayersModel) => model.weights[0]!.read().dataSync()[0]!;

describe('EarlyStopping', () => {
  before(useTestEngine);

  /** Observes a measure's values one after the other. @returns how many it took until it was over, and the weight kept */
  function watch(options: object, values: readonly number[], measure = 'loss') {
    const before = tf.memory().numTensors;
    const stopping = new EarlyStopping(EarlyStoppingOptions.parse(options));
    const model = oneWeight();
    let seen = 0;
    for (const [i, value] of values.entries()) {
      if (stopping.isOver) break;
      setTo(model, i);
      stopping.observe({ [measure]: value }, model);
      seen += 1;
    }
    stopping.restoreBest(model);
    const kept = valueOf(model);
    stopping.dispose();
    model.dispose();
    assert.equal(tf.memory().numTensors, before);
    return { seen, kept };
  }

  it('is over after as many validations in a row as it has patience, and gives the best weights back', () => {
    assert.deepEqual(watch({ patience: 2 }, [5, 4, 4.5, 3, 3, 3.5, 1]), { seen: 6, kept: 3 });
  });

  it('takes a higher accuracy for better, and what it is told', () => {
    assert.deepEqual(watch({ patience: 1, measure: 'acc' }, [0.1, 0.5, 0.4, 0.9], 'acc'), { seen: 3, kept: 1 });
    assert.deepEqual(watch({ patience: 1, better: 'higher' }, [1, 2, 1]), { seen: 3, kept: 1 });
  });

  it('counts no improvement below the least, and may keep the last weights', () => {
    assert.deepEqual(watch({ patience: 2, minimum: 0.5 }, [5, 4.8, 4.6, 1]), { seen: 3, kept: 0 });
    assert.deepEqual(watch({ patience: 2, restoreBest: false }, [5, 6, 7, 1]), { seen: 3, kept: 2 });
  });

  it('never takes what is no number for the best', () => {
    assert.deepEqual(watch({ patience: 2 }, [Number.NaN, 3, 2, Number.NaN, 2.5]), { seen: 5, kept: 2 });
    assert.equal(watch({ patience: 2 }, [Infinity, Number.NaN, 1]).seen, 2);
  });

  it('refuses a measure that is not there', () => {
    assert.throws(() => watch({ patience: 1, measure: 'f1' }, [1]), {
      code: 'ERR_OPTIONS',
      message: /must be one of loss, got `f1`/,
    });
  });
});

describe('fit with earlyStopping and averaging', () => {
  before(useTestEngine);
  const { corpus } = clusters(60);
  const options = {
    batchSize: 8,
    presampleSize: 16,
    steps: 40,
    seed: 7,
    scheme: 'uniform',
    validation: corpus,
  } as const;

  it('stops at a plateau, with the weights of its best validation', async () => {
    const model = classifier(tf.train.sgd(0.1));
    const losses: number[] = [];
    let best: number[] = [];
    const deriveMeasures = (measures: Measures) => {
      const script = [9, 8, 7, 7.5, 7.2, 10];
      const loss = script[Math.min(losses.length, 5)]!;
      losses.push(loss);
      if (loss === 7) best = [...model.weights[0]!.read().dataSync()];
      return { ...measures, loss };
    };
    const summary = await fit(model, corpus, {
      ...options,
      validateEvery: 3,
      deriveMeasures,
      earlyStopping: { patience: 2 },
    });
    assert.deepEqual([summary.stoppedBy, summary.steps], ['plateau', 12]);
    assert.deepEqual([...model.weights[0]!.read().dataSync()], best);
    model.dispose();
  });

  it('validates the average, and leaves it in the model', async () => {
    const constant = async (averaging?: number) => {
      const model = classifier(tf.train.sgd(0.1));
      const summary = await fit(model, corpus, { ...options, ...(averaging !== undefined && { averaging }) });
      const weights = [...model.weights[0]!.read().dataSync()];
      model.dispose();
      return { weights, summary };
    };
    const [raw, averaged] = [await constant(), await constant(0.95)];
    assert.notDeepEqual(raw.weights, averaged.weights);
    assert.equal(raw.summary.lastLoss, averaged.summary.lastLoss); // the steps are the same
    assert.notEqual(raw.summary.validation.last!['loss'], averaged.summary.validation.last!['loss']);
  });

  it('remembers the best validation over a checkpoint', async () => {
    const script = () => {
      let seen = 0;
      return (measures: Measures) => ({ ...measures, loss: [9, 4, 8, 7, 6, 5, 4.5][seen++] ?? 30 });
    };
    const given = { ...options, validateEvery: 3, earlyStopping: { patience: 5 } };
    const whole = classifier(tf.train.sgd(0.1));
    const deriveMeasures = script();
    let saved: Checkpoint | undefined;
    const first = await fit(whole, corpus, {
      ...given,
      deriveMeasures,
      onStep: async ({ step }, snapshot) => {
        if (step === 7) saved = await takeCheckpoint(snapshot());
      },
    });
    const later = script();
    for (let i = 0; i < 3; i++) later({}); // those of the first part
    const model = classifier(tf.train.sgd(0.1));
    const second = await fit(model, corpus, { ...given, deriveMeasures: later, resume: saved! });
    assert.deepEqual([first.stoppedBy, second.stoppedBy, second.steps], ['plateau', 'plateau', first.steps]);
    assert.deepEqual([...model.weights[0]!.read().dataSync()], [...whole.weights[0]!.read().dataSync()]);
    model.dispose();
    whole.dispose();
  });
});
