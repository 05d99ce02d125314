import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as turn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import { minibatches } from '../../src/consumer/minibatches.ts';
import type { WeightedBatch } from '../../src/consumer/weighted-batch.ts';
import { fit } from '../../src/train/fit.ts';
import type { Presample } from '../../src/stream/presample.ts';
import { useTestEngine } from '../test-engine.ts';
import { classifier, clusters } from '../train/toy.ts';

const sizes = { presampleSize: 24, batchSize: 8, tauThreshold: 1.1, seed: 7 } as const;
/** A few samples matter much more than the rest. */
const scoreOf = (id: string) => (Number(id.split(':').at(-1)) % 6 === 0 ? 20 : 1);
const scorer = { score: async ({ ids }: Pick<Presample, 'ids'>) => Float32Array.from(ids, scoreOf) };

describe('minibatches', () => {
  let tensors = 0;
  beforeEach(async () => {
    await useTestEngine();
    tensors = tf.memory().numTensors;
  });
  afterEach(() => assert.equal(tf.memory().numTensors, tensors, 'no tensor is left'));

  async function take(count: number, batches: AsyncIterable<WeightedBatch>, each: (batch: WeightedBatch) => void) {
    let taken = 0;
    for await (const batch of batches) {
      each(batch);
      if (++taken === count) break;
    }
    return taken;
  }

  it('draws in proportion to the scores once reports have opened the gate, with unbiased weights', async () => {
    const { corpus } = clusters(600);
    const seen: { phase: string; drawn: number; weight: number; important: number }[] = [];
    await take(300, minibatches(corpus, { ...sizes, scorer }), (batch) => {
      if (batch.phase === 'uniform') batch.report(batch.ids.map(scoreOf));
      const important = batch.ids.filter((id) => scoreOf(id) === 20).length;
      seen.push({
        phase: batch.phase,
        drawn: batch.size,
        weight: batch.weights.reduce((sum, w) => sum + w, 0),
        important,
      });
    });
    assert.equal(seen[0]!.phase, 'uniform');
    const open = seen.filter(({ phase }) => phase === 'importance');
    assert.ok(open.length > 290, `${open.length} of 300 steps had the gate open`);
    // Of 24 samples 4 score 20 and 20 score 1: they hold 80 % of the mass. 2,360 draws: 5 standard errors are 4 %.
    const share = open.reduce((sum, { important }) => sum + important, 0) / (8 * open.length);
    assert.ok(Math.abs(share - 0.8) < 0.04, `${share}`);
    // E[w] = 1 for every unbiased draw.
    const weight = open.reduce((sum, one) => sum + one.weight, 0) / (8 * open.length);
    assert.ok(Math.abs(weight - 1) < 0.12, `${weight}`);
  });

  it('gives the batches that `fit` trains on, when scores and reports are those of `fit`', async () => {
    const options = { ...sizes, scheme: 'loss' } as const;
    const [expected, scores]: [string[][], Map<string, number>[]] = [[], []];
    const model = classifier();
    await fit(model, clusters().corpus, {
      ...options,
      steps: 40,
      onMinibatch: ({ ids }) => expected.push([...ids]),
      onScores: ({ ids }, values) => scores.push(new Map(ids.map((id, row) => [id, values[row]!]))),
    });
    model.optimizer.dispose();
    model.dispose();
    const got: string[][] = [];
    const lookUp = (ids: readonly string[]) => Float32Array.from(ids, (id) => scores[got.length]!.get(id)!);
    const replay = { score: async ({ ids }: Pick<Presample, 'ids'>) => lookUp(ids) };
    await take(40, minibatches(clusters().corpus, { ...sizes, scorer: replay }), (batch) => {
      if (batch.phase === 'uniform') batch.report(lookUp(batch.ids));
      got.push([...batch.ids]);
    });
    assert.deepEqual(got, expected);
  });

  it('asks the scorer itself now and then when nothing is reported, so the gate still opens', async () => {
    const phases: string[] = [];
    await take(20, minibatches(clusters().corpus, { ...sizes, scorer, probeEvery: 5 }), ({ phase }) => {
      phases.push(phase);
    });
    assert.equal(phases.indexOf('importance'), 6);
  });

  it('draws by what was reported earlier, without any forward pass', async () => {
    const { corpus } = clusters(48);
    const fixed = { ...corpus, samples: withoutEpochs(corpus) };
    const counts = new Map<number, number>();
    await take(400, minibatches(fixed, { ...sizes, scorer: 'reported' }), (batch) => {
      for (const id of batch.ids) counts.set(scoreOf(id), (counts.get(scoreOf(id)) ?? 0) + 1);
      batch.report(batch.ids.map(scoreOf));
    });
    assert.ok(counts.get(20)! > 2 * counts.get(1)!, `${counts.get(20)} against ${counts.get(1)}`);
  });

  /** The samples of every epoch under the same ids, as real corpora have them. */
  const withoutEpochs = (corpus: ReturnType<typeof clusters>['corpus']): typeof corpus.samples =>
    async function* (options) {
      for await (const sample of corpus.samples(options)) yield { ...sample, id: sample.id.replace(/^c:\d+/, 'c') };
    };

  it('fetches nothing before the trainer asks, and one presample at a time', async () => {
    const { corpus, seen } = clusters();
    const batches = minibatches(corpus, sizes);
    await turn();
    assert.equal(seen.pulled, 0);
    await batches.next();
    await turn();
    assert.equal(seen.pulled, 8);
    assert.equal(batches.inFlight.samples, 8);
    await batches.next();
    assert.equal(seen.pulled, 16);
    assert.equal(batches.version, 1);
    await batches.return();
    assert.deepEqual([seen.open, batches.inFlight.samples], [0, 0]);
    assert.deepEqual(await batches.next(), { done: true, value: undefined });
  });

  it('makes as many batches ahead as it is told to', async () => {
    const { corpus, seen } = clusters();
    const batches = minibatches(corpus, { ...sizes, ahead: 3 });
    await batches.next();
    for (let i = 0; i < 50; i++) await turn();
    assert.equal(seen.pulled, 4 * 8);
    await batches.return();
  });

  it('disposes the batch before, tensors included, when the next is asked for', async () => {
    const batches = minibatches(clusters().corpus, sizes);
    const { value: first } = await batches.next();
    const x = first!.tensor('x');
    assert.deepEqual(x.shape, [8, 2]);
    assert.deepEqual([...(await x.data())], [...first!.x.data]);
    await batches.next();
    assert.ok(x.isDisposed);
    assert.throws(() => first!.x, { code: 'ERR_SHAPE', message: /not disposed/ });
    await batches.return();
  });

  it('refuses reports that are too short, not finite, negative, or second ones', async () => {
    const batches = minibatches(clusters().corpus, { ...sizes, scorer });
    const { value: batch } = await batches.next();
    const ones = Array.from({ length: 8 }, () => 1);
    assert.throws(() => batch!.report([1, 2]), {
      code: 'ERR_SCORE',
      message: /expected 8 scores, one a sample, got 2/,
    });
    for (const bad of [Number.NaN, Infinity, -1])
      assert.throws(() => batch!.report([...ones.slice(1), bad]), {
        code: 'ERR_SCORE',
        message: new RegExp(`1 of 8 that are not: c:0:7 \\(${bad}\\)`),
      });
    batch!.report(ones);
    assert.throws(() => batch!.report(ones), { code: 'ERR_SCORE', message: /another/ });
    await batches.return();
  });

  it('passes a scorer on that fails or counts wrong, and lets go of everything', async () => {
    for (const [score, expected] of [
      [() => Promise.reject(new Error('the scorer is gone')), /the scorer is gone/],
      [async () => Float32Array.of(1), /expected 24 scores/],
    ] as const) {
      const { corpus, seen } = clusters();
      const batches = minibatches(corpus, { ...sizes, tauThreshold: 0, scorer: { score } });
      await assert.rejects(batches.next(), expected);
      assert.equal(batches.inFlight.samples, 0);
      for (let i = 0; i < 5; i++) await turn();
      assert.equal(seen.open, 0);
    }
  });

  it('ends at once when it is aborted while a scorer never answers', async () => {
    const abort = new AbortController();
    const never = { score: () => new Promise<Float32Array>(() => {}) };
    const batches = minibatches(clusters().corpus, {
      ...sizes,
      tauThreshold: 0,
      scorer: never,
      signal: abort.signal,
    });
    const waiting = batches.next();
    await turn();
    abort.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    await batches[Symbol.asyncDispose]();
    assert.equal(batches.inFlight.samples, 0);
  });

  it('ends with its corpus, smaller last batch included', async () => {
    const { corpus } = clusters(20);
    const taken: number[] = [];
    await take(Infinity, minibatches(corpus, { ...sizes, epochs: 1 }), ({ size }) => taken.push(size));
    assert.deepEqual(taken, [8, 8, 4]);
  });

  it('refuses options that do not fit', () => {
    assert.throws(() => minibatches(clusters().corpus, { batchSize: 48, presampleSize: 24 }), {
      code: 'ERR_OPTIONS',
      message: /`batchSize` must be at most/,
    });
  });

  describe('readable', () => {
    it('is a Node stream whose batches stay whole in the buffers that follow', async () => {
      const { corpus, seen } = clusters();
      const batches = minibatches(corpus, { ...sizes, epochs: 1, scorer });
      const held: WeightedBatch[] = [];
      const slow = new Writable({
        objectMode: true,
        highWaterMark: 4,
        write(batch: WeightedBatch, _, done) {
          held.push(batch);
          if (batch.phase === 'uniform') batch.report(batch.ids.map(scoreOf));
          setImmediate(done);
        },
      });
      await pipeline(batches.readable(), slow);
      assert.ok(held.some(({ phase }) => phase === 'importance'));
      assert.equal(seen.open, 0);
      for (const { x, ids } of held) assert.deepEqual([x.shape, ids.length], [[ids.length, 2], ids.length]);
      assert.equal(batches.version, held.length);
      const fetched = held.reduce((sum, { phase }) => sum + (phase === 'importance' ? 24 : 8), 0);
      assert.ok(Math.abs(fetched - 500) < 24, 'every sample was fetched once');
    });

    it('stops reading the corpus when nobody takes', async () => {
      const { corpus, seen } = clusters();
      const stream = minibatches(corpus, sizes).readable();
      stream.read();
      for (let i = 0; i < 50; i++) await turn();
      assert.ok(seen.pulled <= 3 * 8, `${seen.pulled}`);
      stream.destroy();
      for (let i = 0; i < 5; i++) await turn();
      assert.equal(seen.open, 0);
    });
  });

  describe('dataset', () => {
    it('gives tensors that the consumer owns, with weights', async () => {
      const dataset = minibatches(clusters(40).corpus, { ...sizes, epochs: 1, tauThreshold: 0, scorer }).dataset();
      const shapes: number[][][] = [];
      await dataset.forEachAsync(({ xs, ys, weights }) => {
        shapes.push([xs.shape, ys.shape, weights.shape]);
        tf.dispose([xs, ys, weights]);
      });
      assert.deepEqual(shapes, [
        [[8, 2], [8], [8]],
        [[8, 2], [8], [8]],
      ]);
    });

    it('passes an error of the corpus on', async () => {
      const { corpus } = clusters();
      const failing = {
        ...corpus,
        samples: () => ({
          [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('the disk is gone')) }),
        }),
      };
      await assert.rejects(minibatches(failing, sizes).dataset().toArray(), /the disk is gone/);
    });
  });
});
