import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { ParallelError } from '../../../src/errors.ts';
import { fit } from '../../../src/train/fit.ts';
import type { FitOptions } from '../../../src/train/fit-options.ts';
import type { StepRecord } from '../../../src/train/step-record.ts';
import { bucketsOf } from '../../../src/train/trainers/share-gradients.ts';
import type { Trainers } from '../../../src/train/trainers/trainers.ts';
import { classifier, clusters } from '../toy.ts';

/** A world of one: its sums are its own. */
const alone: Trainers = {
  rank: 0,
  world: 1,
  sum: (tensor) => tf.clone(tensor),
  explain: async (error) => error,
};

async function lossesOf(options: Partial<FitOptions>): Promise<number[]> {
  const records: StepRecord[] = [];
  const model = classifier(tf.train.momentum(0.05, 0.9));
  await fit(model, clusters().corpus, {
    scheme: 'uniform',
    steps: 20,
    presampleSize: 16,
    batchSize: 16,
    seed: 3,
    onStep: (record) => void records.push(record),
    ...options,
  });
  model.dispose();
  return records.map(({ loss }) => loss);
}

describe('fit with trainers', () => {
  it('takes the steps of a run without any when there is one', async () => {
    const [own, shared] = [await lossesOf({}), await lossesOf({ trainers: alone })];
    assert.equal(own.length, 20);
    for (const [i, loss] of shared.entries()) assert.ok(Math.abs(loss - own[i]!) < 1e-6, `step ${i + 1}`);
  });

  it('names the trainer whose parameters differ at the step that compares them, and not before', async function () {
    if (process.env['TAUSTREAM_ENGINE'] === 'tensorflow') this.skip(); // a compiled step's sums cannot lie; joinTrainers' tests compare real ones
    let sums = 0;
    const doubtful: Trainers = {
      ...alone,
      world: 2,
      // The other says what this one does, but its checksum, the last two numbers before the three measures, is another from the second time on.
      sum: (tensor) =>
        tf.tidy(() => {
          sums += 1;
          const isChecked = sums % 100 === 1;
          const values = tensor.dataSync().map((value) => 2 * value);
          const at = values.length - 3 - 4;
          for (const i of [0, 1]) {
            const own = values[at + i]! / 2;
            [values[at + i], values[at + 2 + i]] = [own, own + (isChecked && sums > 1 ? 1 : 0)];
          }
          return tf.tensor(values, tensor.shape);
        }),
    };
    const records: number[] = [];
    await assert.rejects(lossesOf({ trainers: doubtful, steps: 150, onStep: ({ step }) => void records.push(step) }), {
      code: 'ERR_PARALLEL',
      message: /expected the parameters of rank 0 in each before step 101, but rank 1 has others/,
    });
    assert.equal(records.at(-1), 100);
  });

  it('refuses what each trainer would know for itself alone, and says what to do', async () => {
    const cases: [Partial<FitOptions>, RegExp][] = [
      [{ scheme: 'infobatch' }, /that remembers nothing .* got `infobatch`\. Use `uniform`/],
      [{ lengths: { boundaries: [2] } }, /got `lengths\.boundaries`\. Leave the buckets out/],
      [{ score: { where: 'inline' } }, /got `score`\. Leave it out/],
      [{ ahead: 1 }, /expected `ahead` 0, got 1/],
      [
        { source: () => assert.fail('a source that is refused is not opened') },
        /got `source`, a fleet that makes them for one\. Use one trainer with the fleet, or several that score/,
      ],
    ];
    for (const [options, message] of cases)
      await assert.rejects(lossesOf({ trainers: alone, ...options }), (error: unknown) => {
        assert.ok(error instanceof ParallelError, String(error));
        assert.match(error.message, message);
        return true;
      });
  });
});

describe('bucketsOf', () => {
  it('cuts sizes into runs of at most a bucket, or of one that is larger', () => {
    assert.deepEqual(bucketsOf([3, 3, 3, 20, 1, 9], 10), [
      [0, 3],
      [3, 4],
      [4, 6],
    ]);
  });
});
