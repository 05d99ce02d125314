import assert from 'node:assert/strict';
import type * as tf from '@tensorflow/tfjs';
import { infobatch } from '../../src/importance/infobatch.ts';
import { streamSamples } from '../../src/corpus/sample-stream.ts';
import { createRng } from '../../src/stream/random.ts';
import type { Corpus, SampleOptions, SampleRows } from '../../src/stream/sample.ts';
import { takeCheckpoint, type Checkpoint } from '../../src/train/checkpoint.ts';
import { fit } from '../../src/train/fit.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { useTestEngine } from '../test-engine.ts';
import { classifier } from './toy.ts';

const LENGTH = 200;
const schema = { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } } as const;

/** Clusters whose blocks write rows; counts what is read and how. @param turns event loop's turns that a read takes */
function clusters(turns: (read: number) => number = () => 0) {
  const rng = createRng(3, 'rows');
  const labels = Int32Array.from({ length: LENGTH }, () => rng.integer(4));
  const points = Float32Array.from({ length: 2 * LENGTH }, (_, i) => {
    const angle = (labels[i >> 1]! * Math.PI) / 2;
    return (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle)) + 1.3 * (rng.uniform() - 0.5);
  });
  const counts = { blocks: 0, samples: 0, rows: 0 };
  const source = {
    schema,
    parts: [LENGTH],
    blockSize: 4,
    poolSize: 16,
    partsAtOnce: 1,
    load: async (refs: readonly { readonly first: number; readonly count: number }[]) => {
      const waits = turns(counts.blocks);
      counts.blocks += refs.length;
      for (let i = 0; i < waits; i++) await new Promise((resolve) => setImmediate(resolve));
      return refs.map(({ first, count }) => ({
        count,
        sample: (i: number) => {
          counts.samples += 1;
          const row = first + i;
          return { id: `c:${row}`, x: points.slice(2 * row, 2 * row + 2), y: labels[row]! };
        },
        write: (i: number, { x, y }: SampleRows['columns'], row: number) => {
          counts.rows += 1;
          x!.set(points.subarray(2 * (first + i), 2 * (first + i) + 2), 2 * row);
          y![row] = labels[first + i]!;
          return `c:${first + i}`;
        },
      }));
    },
  };
  const samples = (options: SampleOptions) => streamSamples('clusters', source, options);
  return { counts, corpus: { name: 'clusters', schema, length: LENGTH, samples } satisfies Corpus };
}

/** The same corpus as a stream of samples alone. */
const withoutRows = (corpus: Corpus): Corpus => ({
  ...corpus,
  samples: (options) => {
    const stream = corpus.samples(options);
    const iterator = stream[Symbol.asyncIterator]();
    return {
      position: stream.position!,
      [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }),
    };
  },
});

async function run(corpus: Corpus, options: Partial<FitOptions> = {}, at: readonly number[] = []) {
  const batches: string[] = [];
  const checkpoints: Checkpoint[] = [];
  const model: tf.LayersModel = classifier();
  const summary = await fit(model, corpus, {
    batchSize: 8,
    presampleSize: 24,
    tauThreshold: 1.05,
    seed: 5,
    learningRate: 0.02,
    steps: 30,
    onMinibatch: ({ ids, weights, tau }) => void batches.push(`${ids.join()} ${weights.join()} ${tau}`),
    onStep: async ({ step }, snapshot) => {
      if (at.includes(step)) checkpoints.push(await takeCheckpoint(snapshot()));
    },
    ...options,
  });
  return { batches, checkpoints, summary, weights: model.getWeights().flatMap((weight) => [...weight.dataSync()]) };
}

describe('fit on a corpus that writes rows', () => {
  before(useTestEngine);

  it('has presample filled by rows, and makes no sample', async () => {
    const { corpus, counts } = clusters();
    const { summary } = await run(corpus);
    assert.ok(counts.rows >= summary.samplesSeen);
    assert.equal(counts.samples, 0);
    assert.equal(summary.stages!['presample']!.taken, counts.rows);
  });

  it('trains on the ids of a stream of samples, to the same parameters', async () => {
    const [rows, samples] = [await run(clusters().corpus), await run(withoutRows(clusters().corpus))];
    assert.ok(rows.summary.openShare > 0.1 && rows.summary.openShare < 1, 'both phases are there');
    assert.deepEqual(rows.batches, samples.batches);
    assert.deepEqual(rows.weights, samples.weights);
  });

  it('goes on from a checkpoint of either bit for bit', async () => {
    const at = [1, 7, 8, 19, 29];
    const whole = await run(clusters().corpus, {}, at);
    const other = await run(withoutRows(clusters().corpus), {}, at);
    for (const [i, step] of at.entries())
      for (const [checkpoint, corpus] of [
        [whole.checkpoints[i]!, clusters().corpus],
        [whole.checkpoints[i]!, withoutRows(clusters().corpus)],
        [other.checkpoints[i]!, clusters().corpus],
      ] as const) {
        const rest = await run(corpus, { resume: checkpoint });
        assert.deepEqual(rest.batches, whole.batches.slice(step));
        assert.deepEqual(rest.weights, whole.weights);
      }
  });

  it('decides which samples to leave out alike, however long reads take, and when it goes on', async () => {
    const options = {
      scheme: infobatch({ pruneShare: 0.5 }),
      tauThreshold: undefined,
      steps: 60,
    } satisfies Partial<FitOptions>;
    const at = [1, 19, 26, 33, 59];
    const { corpus, counts } = clusters();
    const whole = await run(corpus, options, at);
    assert.ok(counts.rows > 61 * 8 + 20, 'some were left out');
    const slow = await run(clusters((read) => (read * 7) % 23).corpus, options);
    assert.deepEqual(slow.batches, whole.batches);
    assert.deepEqual(slow.weights, whole.weights);
    for (const [i, step] of at.entries()) {
      const rest = await run(clusters((read) => (read * 5) % 17).corpus, {
        ...options,
        resume: whole.checkpoints[i]!,
      });
      assert.deepEqual(rest.batches, whole.batches.slice(step));
      assert.deepEqual(rest.weights, whole.weights);
    }
  });

  it('reads no further than two pools while a step is held', async () => {
    const { corpus, counts } = clusters();
    const before: number[] = [];
    await run(corpus, {
      steps: 3,
      scheme: 'uniform',
      onStep: async () => {
        for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
        before.push(counts.blocks);
      },
    });
    // a pool is 4 blocks: 16, 24 and 32 samples are used or fetched for the next step, and the pool after is read ahead
    assert.deepEqual(before, [8, 12, 12]);
  });

  it('ends with the epochs, the last buffer smaller', async () => {
    const { corpus, counts } = clusters();
    const { summary } = await run(corpus, { steps: undefined, epochs: 1, batchSize: 64, presampleSize: 64 });
    assert.deepEqual([summary.samplesSeen, summary.stoppedBy, counts.rows], [LENGTH, 'epochs', LENGTH]);
  });

  it('throws what a row throws, and closes the corpus', async () => {
    const { corpus } = clusters();
    const broken: Corpus = {
      ...corpus,
      samples: (options) => {
        const stream = corpus.samples(options);
        const fillRows = async () => Promise.reject(new Error('a row that cannot be written'));
        return Object.assign(stream, { fillRows });
      },
    };
    await assert.rejects(run(broken), { message: 'a row that cannot be written' });
  });
});
