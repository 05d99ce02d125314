import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { askStatus } from '../../src/cluster/ask-status.ts';
import { fleet, type FleetChoices } from '../../src/cluster/fleet.ts';
import type { FleetReport } from '../../src/cluster/status.ts';
import { scoreForFleet, type WorkerChoices } from '../../src/cluster/worker.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { mixture } from '../../src/corpus/mixture.ts';
import type { Scheme } from '../../src/importance/scheme.ts';
import type { Pipeline } from '../../src/pipeline.ts';
import { fit } from '../../src/train/fit.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { TestServer } from './test-server.ts';
import { openToy, toyPipeline } from './toy-pipeline.ts';

let server: TestServer;
let engine: Engine;

/** Trains a pipeline on a fleet, in this process. */
async function train(pipeline: Pipeline, choices: Partial<FleetChoices> = {}, changes: Partial<FitOptions> = {}) {
  const { name: _name, engine: _engine, ...values } = pipeline.options;
  const corpus = await pipeline.openCorpus({ seed: 3, engine });
  const model = await pipeline.buildModel({ seed: 3, engine, corpus });
  const source = fleet({ url: server.url, run: 'toy', corpus, ackWaitSeconds: 1, patienceSeconds: 20, ...choices });
  try {
    return await fit(model, corpus.train, { ...values, ...changes, source });
  } finally {
    model.optimizer.dispose();
    model.dispose();
  }
}

const work = (pipeline: Pipeline, changes: Partial<WorkerChoices> = {}) =>
  scoreForFleet(pipeline, { url: server.url, run: 'toy', engine, once: true, ...changes });

/** Options with no limit but so many passes. */
const epochs = (count: number): Partial<FitOptions> => ({ steps: 1_000_000, epochs: count });

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : error);

describe('fleet', () => {
  before(async () => {
    engine = await useEngine('cpu');
    server = await TestServer.start();
  });
  after(() => server.stop());

  it('sees each sample of two epochs exactly once with two workers, scored by parameters of its own', async () => {
    const pipeline = toyPipeline();
    const [scored, ages]: [number[], number[]] = [[], []];
    const tensors = tf.memory().numTensors;
    const [summary, ...workers] = await Promise.all([
      train(
        pipeline,
        { jobPresamples: 2, parametersEvery: 1 },
        {
          ...epochs(2),
          onScores: (_, scores) => void scored.push(scores.length),
          onStep: ({ age }) => void ages.push(age!),
        },
      ),
      work(pipeline),
      work(pipeline),
    ]);
    assert.equal(tf.memory().numTensors, tensors);
    assert.equal(summary.stoppedBy, 'epochs');
    assert.equal(summary.samplesSeen, 248);
    assert.equal(
      scored.reduce((sum, size) => sum + size),
      248,
    );
    assert.equal(
      workers.reduce((sum, { samples }) => sum + samples, 0),
      248,
    );
    assert.equal(summary.source!['trained'], summary.steps);
    assert.ok(ages.every((age) => age >= 0 && age < 12) && ages.some((age) => age > 0), ages.join());
  });

  it('asks for uniform minibatches while the gate is shut, and trains on each sample once', async () => {
    const pipeline = toyPipeline({ tauThreshold: Infinity });
    const ids: string[] = [];
    const onMinibatch: FitOptions['onMinibatch'] = (batch) => void ids.push(...batch.ids);
    const [summary] = await Promise.all([train(pipeline, {}, { ...epochs(1), onMinibatch }), work(pipeline)]);
    assert.equal(summary.openShare, 0);
    assert.equal(summary.steps, 31);
    assert.deepEqual([ids.length, new Set(ids).size], [124, 124]);
  });

  it('trains on every draw of a presample', async () => {
    const pipeline = toyPipeline({ draws: 3 });
    const turns: string[] = [];
    const onMinibatch: FitOptions['onMinibatch'] = ({ presample, turn }) =>
      void turns.push(`${presample.origin}/${turn}`);
    const [summary] = await Promise.all([train(pipeline, {}, { ...epochs(1), onMinibatch }), work(pipeline)]);
    assert.equal(summary.steps, 33); // ⌈124 / 12⌉ presamples, three draws of each
    assert.equal(new Set(turns).size, 33);
  });

  it('leaves out what is older than the limit, counts it, and sees every sample all the same', async () => {
    const pipeline = toyPipeline({ draws: 3 });
    const limit = { ageLimit: 1 }; // the third draw of a presample is two steps old
    const [dropped] = await Promise.all([train(pipeline, limit, epochs(1)), work(pipeline)]);
    assert.ok(dropped.source!['expired']! > 0);
    assert.equal(dropped.source!['expired']! + dropped.steps, 33);
    assert.equal(dropped.source!['trained'], dropped.steps);
  });

  it('weighs what is older by limit / age', async () => {
    const pipeline = toyPipeline({ draws: 3 });
    const limit = { ageLimit: 1, whenOlder: 'weigh-less' } as const;
    let [sum, least] = [0, Infinity];
    const onMinibatch: FitOptions['onMinibatch'] = ({ weights, probabilities }) => {
      const ratios = weights.map((weight, i) => weight * 12 * probabilities![i]!);
      least = Math.min(least, ...ratios);
      sum += 1;
    };
    const [summary] = await Promise.all([train(pipeline, limit, { steps: 12, onMinibatch }), work(pipeline)]);
    assert.equal(sum, 12);
    assert.ok(summary.source!['weighedLess']! > 0);
    assert.ok(least <= 0.5 + 1e-6, `${least}`);
  });

  it('takes parts that are larger than one message, and parameters, in pieces', async () => {
    const small = await TestServer.start({ maxPayload: 65_536 });
    try {
      const pipeline = toyPipeline({ units: 60 }); // of 100 kB and more
      const [summary] = await Promise.all([
        train(pipeline, { url: small.url }, { steps: 3 }),
        work(pipeline, { url: small.url }),
      ]);
      assert.equal(summary.steps, 3);
    } finally {
      await small.stop();
    }
  });

  it('tells its status while it trains', async () => {
    const pipeline = toyPipeline();
    let status: Awaited<ReturnType<typeof askStatus>> | undefined;
    const onStep: FitOptions['onStep'] = async ({ step }) => {
      if (step === 4) status = await askStatus({ url: server.url, run: 'toy' });
    };
    await Promise.all([train(pipeline, {}, { steps: 6, onStep }), work(pipeline)]);
    assert.equal(status!.steps, 4);
    assert.equal(status!.workers.length, 1);
    assert.equal(status!.account.trained, 4);
  });

  it('tells how the fleet is while it waits and while it trains', async () => {
    const pipeline = toyPipeline();
    const told: FleetReport[] = [];
    const [waits, works] = [new AbortController(), new AbortController()];
    const heard = ({ signal }: AbortController) =>
      signal.aborted || new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    const onStatus = (report: FleetReport) => {
      told.push(report);
      if (report.workers.length === 0) waits.abort();
      else if (report.workers[0]!.samples > 0) works.abort();
    };
    const onStep: FitOptions['onStep'] = async ({ step }) => {
      if (step === 4) await heard(works);
    };
    const training = train(pipeline, { onStatus }, { steps: 8, onStep });
    await heard(waits);
    await Promise.all([training, work(pipeline)]);
    assert.deepEqual([told[0]!.workers, told[0]!.inHand], [[], 0]);
    assert.ok(told[0]!.queued! > 0);
    const last = told.at(-1)!;
    assert.equal(last.workers.length, 1);
    assert.ok(last.workers[0]!.samples >= 12 && last.workers[0]!.samplesPerSecond > 0);
    assert.ok(!Number.isNaN(Date.parse(last.at)));
  });

  it('refuses a worker with another vocabulary, and says what differs', async () => {
    const stop = new AbortController();
    const training = train(toyPipeline(), {}, { signal: stop.signal });
    await assert.rejects(work(toyPipeline({ letters: 'abcdefghijklmnopqrstuvwxyä ' })), {
      code: 'ERR_CLUSTER',
      message: /files of the pipeline \(a vocabulary/u,
    });
    stop.abort();
    assert.equal((await training).steps, 0);
  });

  it('refuses a worker whose model has other layers', async () => {
    const stop = new AbortController();
    const training = train(toyPipeline(), {}, { signal: stop.signal });
    await assert.rejects(work(toyPipeline({ units: 7 })), { code: 'ERR_CLUSTER', message: /layers of the model/u });
    stop.abort();
    await training;
  });

  it('refuses to train where another trainer of the run is at work', async () => {
    const stop = new AbortController();
    const training = train(toyPipeline(), {}, { signal: stop.signal });
    while (!(await askStatus({ url: server.url, run: 'toy' }).catch(() => undefined)));
    await assert.rejects(train(toyPipeline(), {}, { steps: 1 }), { code: 'ERR_CLUSTER', message: /no other trainer/u });
    stop.abort();
    await training;
  });

  it('ends with an error when no worker comes', async () => {
    await assert.rejects(train(toyPipeline(), { patienceSeconds: 0.3 }), {
      code: 'ERR_CLUSTER',
      message: /got none for .* from 0 workers/u,
    });
  });

  it('ends with the error of a worker that cannot score', async () => {
    const scheme: Scheme = { name: 'loss', score: (_, z) => tf.tidy(() => z[0]!.sum([1, 2]).mul<tf.Tensor1D>(NaN)) };
    const pipeline = toyPipeline();
    const spoilt = { ...pipeline, options: { ...pipeline.options, scheme } };
    const [trained, worked] = await Promise.allSettled([train(pipeline, {}, { scheme: 'loss' }), work(spoilt)]);
    for (const one of [trained, worked]) assert.equal(one.status === 'rejected' && codeOf(one.reason), 'ERR_SCORE');
  });

  it('refuses a corpus that cannot be opened at a place', async () => {
    const { train: text } = await openToy();
    const pipeline = toyPipeline();
    const mixed = {
      ...pipeline,
      openCorpus: async () => ({
        ...(await pipeline.openCorpus({ seed: 3, engine })),
        train: mixture([{ corpus: text, share: 1 }]),
      }),
    };
    await assert.rejects(train(mixed), { code: 'ERR_CLUSTER', message: /opened at any place/u });
  });

  it('refuses a scheme that remembers, and scoring in two places', async () => {
    await assert.rejects(train(toyPipeline(), {}, { scheme: 'infobatch' }), {
      code: 'ERR_OPTIONS',
      message: /remembers/u,
    });
    await assert.rejects(train(toyPipeline(), {}, { score: { where: 'process' } }), {
      code: 'ERR_OPTIONS',
      message: /both/u,
    });
  });
});
