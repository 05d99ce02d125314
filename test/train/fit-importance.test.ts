import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { CorpusError } from '../../src/errors.ts';
import { datasetCorpus } from '../../src/train/dataset-corpus.ts';
import { fitImportance } from '../../src/train/fit-importance.ts';
import { useTestEngine } from '../test-engine.ts';
import { classifier, clusters } from './toy.ts';

const sizes = { batchSize: 8, presampleSize: 24, tauThreshold: 1.2, seed: 5, learningRate: 0.02 };

/** The clusters as a dataset of `fitDataset`'s kind. */
async function dataset(count: number, batchSize?: number) {
  const [xs, ys]: [number[][], number[]] = [[], []];
  for await (const { x, y } of clusters(count).corpus.samples({ seed: 1, epochs: 1 })) {
    xs.push(x as number[]);
    ys.push(y as number);
  }
  const zipped = tf.data.zip<tf.TensorContainer>({ xs: tf.data.array(xs), ys: tf.data.array(ys) });
  return batchSize ? zipped.batch(batchSize) : zipped;
}

describe('fitImportance', () => {
  before(useTestEngine);

  for (const [name, batchSize] of [
    ['single samples', undefined],
    ['batches', 10],
  ] as const)
    it(`takes a tf.data.Dataset of ${name} in place of fitDataset, for as many epochs as asked`, async () => {
      const model = classifier();
      const data = (await dataset(100, batchSize)).map((element) => {
        const { xs, ys } = element as { xs: unknown; ys: unknown };
        return {
          xs: tf.tensor(xs instanceof tf.Tensor ? xs.arraySync() : (xs as number[])),
          ys: tf
            .tensor(ys instanceof tf.Tensor ? ys.arraySync() : [ys as number].flat(), undefined, 'int32')
            .reshape(batchSize ? [-1] : []),
        };
      });
      const history = await fitImportance(model, data, { ...sizes, epochs: 4 });
      const losses = history.history['loss'] as number[];
      assert.equal(losses.length, 4);
      assert.deepEqual(history.epoch, [0, 1, 2, 3]);
      assert.ok(losses.at(-1)! < losses[0]!);
    });

  it('names samples by their place, and anew in each epoch of a dataset that shuffles', async () => {
    const idsOf = async (data: tf.data.Dataset<tf.TensorContainer>) => {
      const ids: string[] = [];
      const tensors = data.map((element) => {
        const { xs, ys } = element as { xs: number[]; ys: number };
        return { xs: tf.tensor1d(xs), ys: tf.scalar(ys, 'int32') };
      });
      const corpus = await datasetCorpus(tensors, classifier());
      for await (const { id } of corpus.samples({ seed: 1, epochs: 3 })) ids.push(id);
      return ids;
    };
    const still = await idsOf(await dataset(20));
    assert.equal(new Set(still).size, 20);
    assert.deepEqual(still.slice(0, 2), ['dataset:0', 'dataset:1']);
    const moving = await idsOf((await dataset(20)).shuffle(20, '7'));
    assert.equal(new Set(moving).size, 60);
  });

  it("calls tfjs callbacks in tfjs' order", async () => {
    const calls: string[] = [];
    const note =
      (name: string) =>
      async (...args: unknown[]) =>
        void calls.push(typeof args[0] === 'number' ? `${name} ${args[0]}` : name);
    await fitImportance(classifier(), clusters(16).corpus, {
      ...sizes,
      scheme: 'uniform',
      epochs: 2,
      callbacks: {
        onTrainBegin: note('train begin'),
        onEpochBegin: note('epoch begin'),
        onBatchEnd: note('batch end'),
        onEpochEnd: note('epoch end'),
        onTrainEnd: note('train end'),
      },
    });
    const epoch = (i: number) => [`epoch begin ${i}`, 'batch end 0', 'batch end 1', `epoch end ${i}`];
    assert.deepEqual(calls, ['train begin', ...epoch(0), ...epoch(1), 'train end']);
  });

  it("validates at each epoch's end, and heeds early stopping", async () => {
    const { corpus } = clusters(64);
    const history = await fitImportance(classifier('adam', ['accuracy']), corpus, {
      ...sizes,
      learningRate: 1e-9, // nothing is learned, so patience ends
      epochs: 50,
      validation: corpus,
      callbacks: [tf.callbacks.earlyStopping({ monitor: 'val_loss', patience: 2, minDelta: 0.01 })],
    });
    assert.ok(history.epoch.length < 6, `${history.epoch.length} epochs`);
    assert.deepEqual(Object.keys(history.history).toSorted(), ['loss', 'val_acc', 'val_loss']);
  });

  it('refuses a dataset that is empty or not of `{ xs, ys }`', async () => {
    const of = (items: tf.TensorContainer[]) =>
      fitImportance(classifier(), tf.data.array(items), { ...sizes, epochs: 1 });
    await assert.rejects(of([]), CorpusError);
    await assert.rejects(of([{ x: tf.zeros([2]), y: tf.scalar(0) }]), /expected elements `{ xs, ys }`/);
  });
});
