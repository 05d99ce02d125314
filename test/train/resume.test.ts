import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { SeededDropout } from '../../src/model/dropout.ts';
import { RunError } from '../../src/errors.ts';
import { mixture } from '../../src/corpus/mixture.ts';
import { streamSamples } from '../../src/corpus/sample-stream.ts';
import { schemes } from '../../src/importance/schemes.ts';
import { createRng } from '../../src/stream/random.ts';
import type { Corpus } from '../../src/stream/sample.ts';
import { readCheckpoint, takeCheckpoint, writeCheckpoint, type Checkpoint } from '../../src/train/checkpoint.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { fit } from '../../src/train/fit.ts';
import { useTestEngine } from '../test-engine.ts';
import { classifier, clusters } from './toy.ts';

const settings = { batchSize: 8, presampleSize: 24, tauThreshold: 1.05, seed: 5, learningRate: 0.02 };
const weightsOf = (model: tf.LayersModel) => model.getWeights().flatMap((weight) => [...weight.dataSync()]);

/** The clusters as a corpus that can go on from a position. */
function seekable(length = 300): Corpus & { readonly loads: { count: number } } {
  const rng = createRng(1, 'seekable');
  const rows = Array.from({ length }, (_, i) => {
    const y = rng.integer(4);
    const noise = () => 1.3 * (rng.uniform() - 0.5);
    return { id: `c:${i}`, y, x: [Math.cos((y * Math.PI) / 2) + noise(), Math.sin((y * Math.PI) / 2) + noise()] };
  });
  const loads = { count: 0 };
  return {
    name: 'seekable',
    schema: { x: { type: 'float32', shape: [2] }, y: { type: 'int32', shape: [] } },
    length,
    loads,
    samples: (options) =>
      streamSamples(
        'seekable',
        {
          parts: [length],
          blockSize: 8,
          poolSize: 64,
          partsAtOnce: 1,
          async load(refs) {
            loads.count += refs.length;
            return refs.map(({ first, count }) => ({ count, sample: (i: number) => rows[first + i]! }));
          },
        },
        options,
      ),
  };
}

function dropping(): tf.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 12, inputShape: [2], kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }) }),
      new SeededDropout({ name: 'drop', rate: 0.3, seed: 3 }),
      tf.layers.dense({
        units: 4,
        activation: 'softmax',
        kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }),
      }),
    ],
  });
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
  return model;
}

/** Runs up to a step; gives every id and weight drawn, and a checkpoint of each step in `at`. */
async function run(corpus: Corpus, model: tf.LayersModel, options: Partial<FitOptions>, at: readonly number[] = []) {
  const batches: string[] = [];
  const checkpoints: Checkpoint[] = [];
  const summary = await fit(model, corpus, {
    ...settings,
    ...options,
    steps: options.steps ?? 40,
    onMinibatch: ({ ids, weights, tau }) => void batches.push(`${ids.join()} ${weights.join()} ${tau}`),
    onStep: async ({ step }, snapshot) => {
      if (at.includes(step)) checkpoints.push(await takeCheckpoint(snapshot()));
    },
  });
  return { batches, checkpoints, summary, weights: weightsOf(model) };
}

describe('fit, resumed', () => {
  before(useTestEngine);

  it('takes the steps of a run that was never stopped, at every step, bit for bit', async () => {
    const steps = Array.from({ length: 40 }, (_, i) => i + 1);
    const whole = await run(seekable(), classifier(), {}, steps);
    assert.ok(whole.summary.openShare > 0.1 && whole.summary.openShare < 1, 'both phases are there');
    for (const [i, checkpoint] of whole.checkpoints.entries()) {
      const rest = await run(seekable(), classifier(), { resume: checkpoint });
      assert.deepEqual(rest.batches, whole.batches.slice(i + 1));
      assert.deepEqual(rest.weights, whole.weights);
      assert.equal(rest.summary.steps, 40);
      assert.equal(rest.summary.samplesSeen, whole.summary.samplesSeen);
      assert.equal(rest.summary.meanTau, whole.summary.meanTau);
    }
  });

  for (const name of Object.keys(schemes).filter((scheme) => scheme !== 'distance-weighted'))
    it(`takes the steps of a run that was never stopped with ${name}, three minibatches a presample`, async () => {
      const options = { scheme: name, draws: 3, steps: 30, tauThreshold: 1.0001 };
      const at = [4, 5, 6, 17, 18, 19];
      const whole = await run(seekable(60), classifier(), options, at);
      for (const [i, checkpoint] of whole.checkpoints.entries()) {
        const rest = await run(seekable(60), classifier(), { ...options, resume: checkpoint });
        assert.deepEqual(rest.batches, whole.batches.slice(at[i]), `from step ${at[i]}`);
        assert.deepEqual(rest.weights, whole.weights);
        assert.equal(rest.summary.samplesSeen, whole.summary.samplesSeen);
      }
    });

  it('goes on twice from the middle of a presample, through a file', async () => {
    const options = { draws: 5, tauThreshold: 1.0001 };
    const whole = await run(seekable(), classifier(), options, [33]);
    const { unfinished } = whole.checkpoints[0]!.state as { unfinished?: { draws: unknown[] } };
    assert.ok(unfinished && unfinished.draws.length > 1, 'step 33 is in the middle of a presample');
    const folder = await mkdtemp(join(tmpdir(), 'taustream-resume-'));
    await writeCheckpoint(folder, whole.checkpoints[0]!);
    const resume = await readCheckpoint(folder);
    await rm(folder, { recursive: true });
    const first = await run(seekable(), classifier(), { ...options, resume, steps: 34 }, [34]);
    const second = await run(seekable(), classifier(), { ...options, resume: first.checkpoints[0]! });
    assert.deepEqual([...first.batches, ...second.batches], whole.batches.slice(33));
    assert.deepEqual(second.weights, whole.weights);
  });

  it('goes on twice in a row', async () => {
    const whole = await run(seekable(), classifier(), {});
    const first = await run(seekable(), classifier(), { steps: 9 }, [7]);
    const second = await run(seekable(), classifier(), { steps: 25, resume: first.checkpoints[0]! }, [19]);
    const third = await run(seekable(), classifier(), { resume: second.checkpoints[0]! });
    assert.deepEqual([...first.batches.slice(0, 7), ...second.batches.slice(0, 12), ...third.batches], whole.batches);
    assert.deepEqual(third.weights, whole.weights);
  });

  it('draws the masks of dropout that would have followed', async () => {
    const whole = await run(seekable(), dropping(), {}, [13]);
    const rest = await run(seekable(), dropping(), { resume: whole.checkpoints[0]! });
    assert.deepEqual(rest.weights, whole.weights);
  });

  it('reads on where it stood, not from the beginning', async () => {
    const whole = await run(seekable(6400), classifier(), { steps: 200, scheme: 'uniform' }, [199]);
    const corpus = seekable(6400);
    await run(corpus, classifier(), { steps: 200, scheme: 'uniform', resume: whole.checkpoints[0]! });
    assert.ok(corpus.loads.count <= 4 * 8, `${corpus.loads.count} blocks of 8 samples for one step`);
  });

  it('goes on with a corpus that tells no position, by reading it again', async () => {
    const { corpus } = clusters(300);
    const whole = await run(corpus, classifier(), {}, [17]);
    const rest = await run(clusters(300).corpus, classifier(), { resume: whole.checkpoints[0]! }, [30]);
    const last = await run(clusters(300).corpus, classifier(), { resume: rest.checkpoints[0]! });
    assert.deepEqual([...rest.batches.slice(0, 13), ...last.batches], whole.batches.slice(17));
    assert.deepEqual(last.weights, whole.weights);
  });

  it('ends after the epochs that were left, and takes no step when none is left', async () => {
    const epochs = { epochs: 2, steps: 1000 };
    const whole = await run(seekable(), classifier(), epochs, [11]);
    const rest = await run(seekable(), classifier(), { ...epochs, resume: whole.checkpoints[0]! });
    assert.deepEqual(rest.batches, whole.batches.slice(11));
    assert.equal(rest.summary.samplesSeen, 600);
    const done = await run(seekable(), classifier(), { steps: 11, resume: whole.checkpoints[0]! });
    assert.deepEqual([done.batches.length, done.summary.steps, done.summary.stoppedBy], [0, 11, 'steps']);
  });

  it('refuses the checkpoint of another model, seed or order', async () => {
    const { checkpoints } = await run(seekable(), classifier(), { steps: 3 }, [2]);
    const resume = checkpoints[0]!;
    await assert.rejects(run(seekable(), dropping(), { resume }), RunError);
    await assert.rejects(run(seekable(), classifier('sgd'), { resume }), RunError);
    await assert.rejects(run(seekable(), classifier(), { resume, seed: 6 }), { code: 'ERR_CORPUS' });
    await assert.rejects(run(seekable(299), classifier(), { resume }), { code: 'ERR_CORPUS' });
    const damaged = { ...resume, state: { ...resume.state, rng: 'none' } };
    await assert.rejects(run(seekable(), classifier(), { resume: damaged }), { code: 'ERR_OPTIONS' });
  });

  it('counts the samples of each corpus of a mixture, also over a stop', async () => {
    const parts = () => [
      { corpus: { ...seekable(100), name: 'old' }, share: 1 },
      { corpus: { ...seekable(200), name: 'recent' }, share: 3 },
    ];
    const seen: Record<string, number> = {};
    const count = {
      onScores: ({ ids }: { ids: readonly string[] }) => {
        for (const id of ids) seen[id.split('/')[0]!] = (seen[id.split('/')[0]!] ?? 0) + 1;
      },
    };
    const whole = await run(mixture(parts()), classifier(), count, [15]);
    assert.deepEqual(whole.summary.samplesByCorpus, seen);
    const { old = 0, recent = 0 } = seen;
    assert.equal(old + recent, whole.summary.samplesSeen);
    assert.ok(recent > 2 * old, `${recent} and ${old}`);
    const rest = await run(mixture(parts()), classifier(), { resume: whole.checkpoints[0]! });
    assert.deepEqual(rest.summary.samplesByCorpus, seen);
    const alone = await run(seekable(), classifier(), { steps: 2 });
    assert.equal(alone.summary.samplesByCorpus, undefined);
  });
});
