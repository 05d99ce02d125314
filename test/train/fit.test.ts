import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setImmediate as turn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import { CorpusError, LabelError, LossError, ModelError, OptionsError, ShapeError } from '../../src/errors.ts';
import type { Corpus } from '../../src/stream/sample.ts';
import type { Minibatch } from '../../src/stream/minibatch.ts';
import { takeCheckpoint } from '../../src/train/checkpoint.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { fit } from '../../src/train/fit.ts';
import type { StepRecord } from '../../src/train/step-record.ts';
import { useTestEngine } from '../test-engine.ts';
import { classifier, clusters } from './toy.ts';

const sizes = { batchSize: 8, presampleSize: 24, tauThreshold: 1.2, seed: 5, learningRate: 0.02 };
const untilIdle = async (isIdle: () => boolean) => {
  for (let i = 0; i < 50 && !isIdle(); i++) await turn();
};
const weightsOf = (model: tf.LayersModel) => model.getWeights().flatMap((weight) => [...weight.dataSync()]);

/** Runs and gives everything that can be seen of it. */
async function watched(options: Partial<FitOptions> = {}, model = classifier(), corpus = clusters().corpus) {
  const records: StepRecord[] = [];
  const batches: Pick<Minibatch, 'ids' | 'weights' | 'tau'>[] = [];
  const summary = await fit(model, corpus, {
    ...sizes,
    steps: 120,
    onStep: (record) => void records.push(record),
    onMinibatch: ({ ids, weights, tau }) => void batches.push({ ids, weights, tau }),
    ...options,
  });
  return { records, batches, summary, weights: weightsOf(model) };
}

describe('fit', () => {
  before(useTestEngine);

  it('learns, in both phases, and sums up what it did', async () => {
    const { corpus } = clusters();
    const { records, summary } = await watched(
      { validation: corpus, validateEvery: 50 },
      classifier('adam', ['accuracy']),
    );
    assert.equal(summary.steps, 120);
    assert.equal(summary.stoppedBy, 'steps');
    assert.ok(summary.lastLoss < 0.6 * summary.firstLoss);
    assert.ok(summary.validation.last!['loss']! < 0.5 * summary.validation.first!['loss']!);
    assert.ok(summary.validation.last!['acc']! > 0.85);
    const phases = records.map(({ phase }) => phase);
    assert.ok(phases.includes('uniform') && phases.includes('importance'));
    assert.equal(summary.openShare, phases.filter((phase) => phase === 'importance').length / 120);
    assert.equal(summary.samplesTrained, 120 * 8);
    assert.equal(
      summary.samplesSeen,
      phases.reduce((sum, phase) => sum + (phase === 'uniform' ? 8 : 24), 0),
    );
    assert.deepEqual(
      records.filter(({ validation }) => validation).map(({ step }) => step),
      [50, 100],
    );
    assert.ok(records.every(({ ess, phase }) => ess >= 1 && ess <= (phase === 'uniform' ? 8.001 : 24.001)));
  });

  it('validates as often after a stop as without one, and once at the end', async () => {
    const { corpus } = clusters();
    const counting = () => {
      const steps: number[] = [];
      let measured = 0;
      const options: Partial<FitOptions> = {
        validation: corpus,
        deriveMeasures: (measures) => {
          measured += 1;
          return measures;
        },
        onStep: ({ step, validation }) => void (validation && steps.push(step)),
      };
      return { options, steps, measured: () => measured };
    };
    const whole = counting();
    await watched({ ...whole.options, steps: 20, validateEvery: 10 });
    assert.deepEqual([whole.steps, whole.measured()], [[10, 20], 3], 'at the start, and twice');
    const spread = { steps: 20, validations: 3 };
    const first = counting();
    let resume: FitOptions['resume'];
    await watched({
      ...spread,
      ...first.options,
      onStep: async ({ step }, snapshot) => {
        if (step === 12) resume = await takeCheckpoint(snapshot());
      },
    });
    const rest = counting();
    await watched({ ...spread, ...rest.options, resume: resume! });
    assert.deepEqual(rest.steps, [15], 'those at 5 and 10 were the stopped run');
  });

  it('makes the same batches and the same parameters from the same seed, and others from another', async () => {
    const [first, second, third] = [await watched(), await watched(), await watched({ seed: 6 })];
    assert.deepEqual(second.batches, first.batches);
    assert.deepEqual(second.weights, first.weights);
    assert.notDeepEqual(third.batches, first.batches);
  });

  it('never draws with a scheme that is uniform, and never opens the gate', async () => {
    const { records, batches } = await watched({ scheme: 'uniform' });
    assert.ok(records.every(({ phase, gate, tau }) => phase === 'uniform' && gate === 'shut' && tau === 1));
    assert.ok(batches.every(({ weights }) => weights.every((weight) => weight === 1)));
  });

  it("takes the very steps of tfjs' own training when every weight is 1", async () => {
    const { corpus } = clusters();
    const [ours, theirs] = [classifier(tf.train.momentum(0.05, 0.9)), classifier(tf.train.momentum(0.05, 0.9))];
    const { learningRate: _, ...rest } = sizes;
    await fit(ours, corpus, { ...rest, steps: 30, scheme: 'uniform' });
    let step = 0;
    let rows: { x: number[]; y: number }[] = [];
    for await (const sample of corpus.samples({ seed: sizes.seed })) {
      rows.push({ x: sample['x'] as number[], y: sample['y'] as number });
      if (rows.length < 8) continue;
      await theirs.trainOnBatch(tf.tensor2d(rows.map(({ x }) => x)), tf.tensor1d(rows.map(({ y }) => y)));
      rows = [];
      if (++step === 30) break;
    }
    const expected = weightsOf(theirs);
    weightsOf(ours).forEach((weight, i) =>
      assert.ok(Math.abs(weight - expected[i]!) < 1e-4, `${weight} is not ${expected[i]}`),
    );
  });

  it('leaves no tensor behind, however it ends', async () => {
    const { corpus, seen } = clusters();
    const model = classifier();
    await watched({ steps: 3 }, model);
    const before = tf.memory().numTensors;
    const ends: Partial<FitOptions>[] = [
      { steps: 20 },
      { epochs: 1 },
      { seconds: 0.05 },
      { signal: AbortSignal.timeout(40) },
      {
        onStep: ({ step }) => {
          if (step === 15) throw new Error('from the hook');
        },
      },
      {
        onMinibatch: () => {
          throw new Error('from the hook');
        },
      },
      {
        onScores: () => {
          throw new Error('from the hook');
        },
      },
      { validation: corpus, validateEvery: 4 },
    ];
    for (const end of ends) {
      const { steps: _, ...rest } = { ...sizes, steps: 0 };
      const limit = 'epochs' in end || 'seconds' in end ? {} : { steps: end.signal ? 1e6 : 40 };
      await fit(model, corpus, { ...rest, ...limit, ...end }).catch((error: Error) =>
        assert.equal(error.message, 'from the hook'),
      );
      await untilIdle(() => seen.open === 0);
      assert.equal(seen.open, 0, 'the corpus was told to end');
      assert.equal(tf.memory().numTensors, before, JSON.stringify(Object.keys(end)));
    }
  });

  it('stops after the step that is being taken when aborted, and says so', async () => {
    const abort = new AbortController();
    const { summary } = await watched({
      steps: 1000,
      signal: abort.signal,
      onStep: ({ step }) => {
        if (step === 33) abort.abort();
      },
    });
    assert.deepEqual([summary.steps, summary.stoppedBy], [33, 'signal']);
  });

  it('stops while it waits for a corpus that gives nothing more', async () => {
    const { corpus } = clusters();
    const abort = new AbortController();
    const stuck: Corpus = {
      ...corpus,
      async *samples(options) {
        let left = 20;
        for await (const sample of corpus.samples(options)) {
          if (left-- === 0) await new Promise((resolve) => options.signal!.addEventListener('abort', resolve));
          yield sample;
        }
      },
    };
    const onStep = ({ step }: StepRecord) => {
      if (step === 2) setTimeout(() => abort.abort(), 20); // by then it waits for the third minibatch
    };
    const { summary } = await watched({ steps: 1000, signal: abort.signal, onStep }, classifier(), stuck);
    assert.deepEqual([summary.steps, summary.stoppedBy], [2, 'signal']);
  });

  it('stops after epochs, with every sample seen', async () => {
    const { summary, records } = await watched(
      { steps: undefined as never, epochs: 2 },
      classifier(),
      clusters(103).corpus,
    );
    assert.deepEqual([summary.stoppedBy, summary.samplesSeen, summary.epochs], ['epochs', 206, 2]);
    assert.equal(records.at(-1)!.share, 1);
  });

  it('reads no further ahead than its buffers when the consumer stalls', async () => {
    const { corpus, seen } = clusters();
    const pulled: number[] = [];
    await watched(
      {
        steps: 5,
        scheme: 'uniform',
        onStep: async () => {
          for (let i = 0; i < 20; i++) await turn();
          pulled.push(seen.pulled);
        },
      },
      classifier(),
      corpus,
    );
    // 8 samples a step, 64 read ahead, and what the streams' own buffers hold.
    pulled.forEach((count, step) => assert.ok(count <= 8 * (step + 1) + 64 + 4, `${count} pulled at step ${step + 1}`));
  });

  it('keeps tensors and memory level over 2,000 steps', async function () {
    this.timeout(120_000);
    const script = fileURLToPath(new URL('fixtures/level.ts', import.meta.url));
    const args = ['--expose-gc', '--import', 'tsx/esm', script];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const levels = JSON.parse(stdout) as { tensors: number; bytes: number }[];
    assert.deepEqual(new Set(levels.map(({ tensors }) => tensors)).size, 1);
    const growth = levels.at(-1)!.bytes - levels[0]!.bytes;
    assert.ok(growth < 48 * 2 ** 20, `${(growth / 2 ** 20).toFixed(1)} MiB more after 1,500 further steps`);
  });

  it('clips the gradient and decays the weights as asked', async () => {
    const still = classifier(tf.train.sgd(1));
    const before = weightsOf(still);
    await fit(still, clusters().corpus, { ...sizes, learningRate: 1, steps: 1, clipNorm: 1e-3 });
    const moved = Math.hypot(...weightsOf(still).map((weight, i) => weight - before[i]!));
    assert.ok(Math.abs(moved - 1e-3) < 1e-5, `moved by ${moved}`);

    const [plain, decayed] = [classifier(tf.train.sgd(0.1)), classifier(tf.train.sgd(0.1))];
    for (const [model, weightDecay] of [
      [plain, 0],
      [decayed, 0.5],
    ] as const)
      await fit(model, clusters().corpus, { ...sizes, learningRate: 0.1, steps: 1, weightDecay });
    const [kernels, shrunk] = [plain, decayed].map((model) => [...model.getWeights()[0]!.dataSync()]);
    kernels!.forEach((weight, i) => assert.ok(Math.abs(shrunk![i]! - weight * (1 - 0.1 * 0.5)) < 1e-6));
  });

  it('adds the penalties of regularised layers to the loss', async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({
          units: 4,
          activation: 'softmax',
          inputShape: [2],
          kernelInitializer: 'ones',
          kernelRegularizer: tf.regularizers.l2({ l2: 10 }),
        }),
      ],
    });
    model.compile({ optimizer: tf.train.sgd(1e-6), loss: 'sparseCategoricalCrossentropy' });
    const { records } = await watched({ steps: 1, learningRate: 1e-6 }, model);
    assert.ok(Math.abs(records[0]!.loss - (Math.log(4) + 10 * 8)) < 1e-3);
  });

  it('takes an optimizer of which it has no counterpart', async () => {
    const { summary } = await watched({ learningRate: 0.1 }, classifier(tf.train.adagrad(0.1)));
    assert.ok(summary.lastLoss < 0.8 * summary.firstLoss);
  });

  it('tells a snapshot of parameters, slots and state at the end', async () => {
    let names: string[] = [];
    let state: Record<string, unknown> = {};
    await watched({
      onEnd: (snapshot) => {
        names = Object.keys(snapshot.tensors);
        state = snapshot.state;
      },
    });
    assert.equal(names.filter((name) => name.startsWith('model/')).length, 4);
    assert.equal(names.filter((name) => name.startsWith('optimizer/')).length, 2 + 2 * 4);
    assert.equal(state['step'], 120);
  });

  it('refuses what cannot be trained, each by name', async () => {
    const rejects = (promise: Promise<unknown>, type: new (...args: never[]) => Error, message: RegExp) =>
      assert.rejects(promise, (error: Error) => {
        assert.ok(error instanceof type, String(error));
        assert.match(error.message, message);
        return true;
      });
    const { corpus } = clusters();
    await rejects(
      fit(classifier(), corpus, { ...sizes }),
      OptionsError,
      /`steps` or `seconds` or `epochs` must be given/,
    );
    await rejects(fit(classifier(), corpus, { ...sizes, steps: 1, batchSise: 3 } as never), OptionsError, /batchSise/);
    await rejects(
      fit(classifier(), corpus, { ...sizes, steps: 1, batchSize: 100 }),
      OptionsError,
      /`batchSize` must be at most `presampleSize`/,
    );
    await rejects(
      fit(classifier(), corpus, { ...sizes, steps: 1, scheme: 'upperbound' }),
      OptionsError,
      /expected one of uniform, loss, upper-bound/,
    );
    await rejects(
      fit(classifier(), clusters(500, { labelOf: (i) => (i === 30 ? 4 : 0) }).corpus, { ...sizes, steps: 9 }),
      LabelError,
      /c:0:30.*0 to 3, got 4/,
    );
    await rejects(
      fit(
        classifier(),
        { ...corpus, schema: { ...corpus.schema, x: { type: 'float32', shape: [3] } } },
        { ...sizes, steps: 1 },
      ),
      ShapeError,
      /\[2\].*\[3\]/,
    );
    const empty: Corpus = { ...corpus, length: 0, async *samples() {} };
    await rejects(fit(classifier(), empty, { ...sizes, steps: 1 }), CorpusError, /got none/);
    await rejects(fit(classifier(), corpus, { ...sizes, steps: 1, validation: empty }), CorpusError, /got none/);
    const frozen = classifier();
    for (const layer of frozen.layers) layer.trainable = false;
    await rejects(fit(frozen, corpus, { ...sizes, steps: 1 }), ModelError, /no trainable weights/);
    const nan: Corpus = {
      ...corpus,
      async *samples(options) {
        for await (const sample of corpus.samples(options)) yield { ...sample, x: [Number.NaN, 0] };
      },
    };
    await rejects(
      fit(classifier(), nan, { ...sizes, steps: 1, scheme: 'uniform' }),
      LossError,
      /Step 1: expected a finite loss, got NaN on samples c:0:0/,
    );
    const broken: Corpus = {
      ...corpus,
      async *samples() {
        yield* [];
        throw new Error('disk on fire');
      },
    };
    await rejects(fit(classifier(), broken, { ...sizes, steps: 1 }), Error, /disk on fire/);
  });
});
