import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { activeEngine } from '../../src/engine/use-engine.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { proportionalHistory } from '../../src/importance/proportional-history.ts';
import { Presample } from '../../src/stream/presample.ts';
import type { Corpus } from '../../src/stream/sample.ts';
import { takeCheckpoint, type Checkpoint } from '../../src/train/checkpoint.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { fit } from '../../src/train/fit.ts';
import type { StepRecord } from '../../src/train/step-record.ts';
import { useTestEngine } from '../test-engine.ts';
import { Bend, loss as ownLoss, scheme as ownScheme } from './fixtures/placed.ts';
import { classifier, clusters } from './toy.ts';

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const module = fixture('placed.ts');
const settings = { batchSize: 8, presampleSize: 24, tauThreshold: 1.05, seed: 5, learningRate: 0.02, steps: 40 };
const valuesOf = (weights: readonly tf.Tensor[]) => weights.map((weight) => [...weight.dataSync()]);

interface Scored {
  readonly columns: Presample['columns'];
  readonly scores: Float32Array;
}

/** Runs, and gives all that was drawn, scored and recorded. */
async function run(options: Partial<FitOptions>, model: tf.LayersModel = classifier(), corpus = clusters().corpus) {
  const batches: string[] = [];
  const records: StepRecord[] = [];
  const scored: Scored[] = [];
  /** The parameters after each step, the first those before any. */
  const parameters = [valuesOf(model.getWeights())];
  const summary = await fit(model, corpus, {
    ...settings,
    ...options,
    onMinibatch: ({ ids, weights, tau, phase }) => void batches.push(`${phase} ${ids.join()} ${weights.join()} ${tau}`),
    onScores(batch, scores) {
      if (batch instanceof Presample) scored.push({ columns: structuredClone(batch.columns), scores: scores.slice() });
    },
    async onStep(record, snapshot) {
      records.push(record);
      parameters.push(valuesOf(model.getWeights()));
      await options.onStep?.(record, snapshot);
    },
  });
  return { batches, records, scored, parameters, summary };
}

/** ‖softmax(z) − onehot(y)‖ of each row of the toy classifier, in plain numbers. */
function scoresByHand([w1, b1, w2, b2]: readonly number[][], { x, y }: Presample['columns']): number[] {
  return Array.from(y!.data, (label, row) => {
    const input = x!.data.subarray(2 * row, 2 * row + 2);
    const hidden = b1!.map((bias, j) => Math.max(0, bias + input[0]! * w1![j]! + input[1]! * w1![12 + j]!));
    const logits = b2!.map((bias, c) => hidden.reduce((sum, h, j) => sum + h * w2![4 * j + c]!, bias));
    const total = logits.reduce((sum, z) => sum + Math.exp(z), 0);
    return Math.hypot(...logits.map((z, c) => Math.exp(z) / total - Number(c === label)));
  });
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Waits until something holds, for what another process does in its own time. */
async function eventually(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await wait(10);
  assert.ok(condition());
}

const openFiles = () => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0);

describe('fit with a scoring process', () => {
  let folder: string;
  let tensors = 0;
  let files = 0;
  const pids = () => readFileSync(join(folder, 'pids'), 'utf8').trim().split('\n').map(Number);
  before(useTestEngine);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-placed-'));
    process.env['TAUSTREAM_TEST_PIDS'] = join(folder, 'pids');
    [tensors, files] = [tf.memory().numTensors, openFiles()];
  });
  afterEach('nothing is left: no process, no file', async () => {
    delete process.env['TAUSTREAM_TEST_PIDS'];
    delete process.env['TAUSTREAM_TEST_HANG'];
    if (existsSync(join(folder, 'pids'))) assert.deepEqual(pids().filter(isAlive), []);
    assert.ok(openFiles() <= files);
    assert.deepEqual(
      readdirSync(existsSync('/dev/shm') ? '/dev/shm' : tmpdir()).filter((name) =>
        name.startsWith(`taustream-${process.pid}-`),
      ),
      [],
    );
    await rm(folder, { recursive: true });
  });

  const placed = (score: Partial<NonNullable<FitOptions['score']>> = {}): Partial<FitOptions> => ({
    score: { where: 'process', module, ...score },
  });

  it('takes the very steps of one that scores inline, when nothing is scored ahead', async () => {
    const inline = await run({});
    const elsewhere = await run(placed({ ahead: 0 }));
    assert.ok(inline.summary.openShare > 0.2 && inline.summary.openShare < 1, 'both phases are there');
    assert.deepEqual(elsewhere.batches, inline.batches);
    assert.deepEqual(elsewhere.scored, inline.scored);
    assert.deepEqual(elsewhere.parameters, inline.parameters);
  });

  it('takes the same steps each time, however fast it scores: those of an inline place that is as far ahead', async () => {
    const inline = await run({ score: { ahead: 2 } });
    const elsewhere = await run(placed({ ahead: 2 }));
    const slowed = await run({ score: { ahead: 2 }, onStep: () => wait(1) });
    for (const other of [elsewhere, slowed]) {
      assert.deepEqual(other.batches, inline.batches);
      assert.deepEqual(other.parameters, inline.parameters);
    }
    assert.ok(inline.records.some(({ age }) => age === 2));
  });

  it('trains a recurrent model as it would inline', async () => {
    const recurrent = () => {
      const model = tf.sequential({
        layers: [
          tf.layers.reshape({ targetShape: [2, 1], inputShape: [2] }),
          tf.layers.lstm({
            units: 5,
            kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }),
            recurrentInitializer: tf.initializers.glorotUniform({ seed: 3 }),
          }),
          tf.layers.batchNormalization(),
          tf.layers.dense({
            units: 4,
            activation: 'softmax',
            kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }),
          }),
        ],
      });
      model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
      return model;
    };
    const options = { steps: 12, tauThreshold: 0 };
    const inline = await run({ ...options, score: { ahead: 1 } }, recurrent());
    const elsewhere = await run({ ...options, ...placed() }, recurrent());
    assert.deepEqual(elsewhere.batches, inline.batches);
  });

  it('scores by the parameters of a step `ahead` presamples ago', async () => {
    const { scored, parameters, records } = await run({ tauThreshold: 0, score: { ahead: 3 } });
    for (const [n, { columns, scores }] of scored.slice(0, 40).entries()) {
      const expected = scoresByHand(parameters[Math.max(0, n - 3)]!, columns);
      assert.ok(scores.every((score, row) => Math.abs(score - expected[row]!) < 1e-5));
      assert.equal(records[n]!.age, Math.min(n, 3));
    }
  });

  it('sends parameters as seldom as asked, and tells how old the scores were', async () => {
    const options = { tauThreshold: 0, steps: 12 };
    const { scored, parameters, records } = await run({ ...options, score: { ahead: 1, parametersEvery: 4 } });
    const versions = [0, 0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8];
    assert.deepEqual(
      records.map(({ age }) => age),
      versions.map((version, n) => n - version),
    );
    for (const [n, { columns, scores }] of scored.slice(0, 12).entries()) {
      const expected = scoresByHand(parameters[versions[n]!]!, columns);
      assert.ok(scores.every((score, row) => Math.abs(score - expected[row]!) < 1e-5));
    }
  });

  it('weighs so that the expectation is the presample’s mean, however old the scores', async () => {
    const weightOf: Map<string, number>[] = [];
    const model = classifier(tf.train.sgd(0.5));
    const all: Presample['columns'][] = [];
    const scores: Float32Array[] = [];
    await fit(model, clusters().corpus, {
      ...settings,
      presampleSize: 8,
      tauThreshold: 0,
      draws: 60, // so that each row is drawn, and its weight seen
      steps: 240,
      learningRate: 0.5,
      score: { ahead: 2 },
      onScores(batch, values) {
        if (!(batch instanceof Presample)) return;
        all.push(structuredClone(batch.columns));
        scores.push(values.slice());
      },
      onMinibatch(batch) {
        if (batch.turn === 0) weightOf.push(new Map());
        batch.picks.forEach((row, i) => weightOf.at(-1)!.set(String(row), batch.weights[i]!));
        batch.picks.forEach((row, i) => assert.equal(weightOf.at(-1)!.get(String(row)), batch.weights[i]));
      },
    });
    assert.equal(weightOf.length, 4);
    for (const [n, weights] of weightOf.entries()) {
      const total = scores[n]!.reduce((sum, score) => sum + score, 0);
      const rows = [...scores[n]!.keys()].filter((row) => weights.has(String(row)));
      assert.ok(rows.length >= 6, `${rows.length} of 8 rows were drawn`);
      // What the parameters are when the draw is used has no part in this: any function of the samples will do.
      const value = (row: number) => Math.sin(3 * all[n]!['x']!.data[2 * row]!) + row;
      const expectation = rows.reduce(
        (sum, row) => sum + (scores[n]![row]! / total) * weights.get(String(row))! * value(row),
        0,
      );
      const mean = rows.reduce((sum, row) => sum + value(row), 0) / 8;
      assert.ok(Math.abs(expectation - mean) < 1e-5, `${expectation} and ${mean}`);
    }
  });

  it('goes on from a checkpoint with the samples that follow', async () => {
    const checkpoints: Checkpoint[] = [];
    const options: Partial<FitOptions> = { ...placed(), tauThreshold: 0 };
    const onStep: FitOptions['onStep'] = async ({ step }, snapshot) => {
      if (step === 7) checkpoints.push(await takeCheckpoint(snapshot()));
    };
    await run({ ...options, score: { ahead: 1 }, steps: 9, onStep });
    const rest = await run({ ...options, steps: 20, resume: checkpoints[0]! });
    assert.equal(rest.summary.steps, 20);
    assert.equal(rest.batches.length, 13);
    assert.equal(rest.summary.samplesSeen, 20 * 24);
    const eighth = new Set(Array.from({ length: 24 }, (_, i) => `c:0:${7 * 24 + i}`));
    const [, ids] = rest.batches[0]!.split(' ');
    assert.ok(
      ids!.split(',').every((id) => eighth.has(id)),
      'the eighth presample comes next',
    );
  });

  it('has one engine there and another here', async function () {
    if (activeEngine()?.name !== 'cpu') this.skip();
    const inline = await run({ steps: 10, tauThreshold: 0, score: { ahead: 1 } });
    const elsewhere = await run({ steps: 10, tauThreshold: 0, ...placed({ engine: 'wasm' }) });
    assert.notDeepEqual(elsewhere.scored, inline.scored);
    for (const [n, { scores }] of elsewhere.scored.slice(0, 3).entries())
      assert.ok(scores.every((score, row) => Math.abs(score - inline.scored[n]!.scores[row]!) < 1e-4));
  });

  it('learns from its module what has a name nowhere else', async () => {
    const bent = () => {
      const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
      const model = tf.sequential({
        layers: [
          tf.layers.dense({ units: 6, inputShape: [2], kernelInitializer: seeded(1) }),
          new Bend({ name: 'bend' }),
          tf.layers.dense({ units: 2, kernelInitializer: seeded(2) }),
        ],
      });
      model.compile({ optimizer: 'sgd', loss: ownLoss });
      return model;
    };
    const { corpus } = clusters();
    const twice: Corpus = {
      ...corpus,
      schema: { x: corpus.schema['x']!, y: corpus.schema['x']! },
      async *samples(options) {
        for await (const { id, x } of corpus.samples(options)) yield { id, x: x!, y: x! };
      },
    };
    const options = { scheme: ownScheme, tauThreshold: 0, steps: 8 };
    const inline = await run({ ...options, score: { ahead: 1 } }, bent(), twice);
    const elsewhere = await run({ ...options, ...placed() }, bent(), twice);
    assert.deepEqual(elsewhere.batches, inline.batches);
  });

  it('leaves the uniform scheme alone: there is nothing to score', async () => {
    const { summary } = await run({ ...placed(), scheme: 'uniform', steps: 3 });
    assert.equal(summary.steps, 3);
    assert.equal(existsSync(join(folder, 'pids')), false);
  });

  const refuses = async (
    code: ErrorCode,
    message: RegExp,
    options: Partial<FitOptions>,
    model: tf.LayersModel = classifier(),
  ) => {
    tensors = tf.memory().numTensors;
    await assert.rejects(run({ tauThreshold: 0, ...options }, model), { code, message });
    assert.equal(tf.memory().numTensors, tensors);
  };

  it('says when the process dies in the middle of a run', async () => {
    await refuses('ERR_PLACEMENT', /ended by SIGKILL/, {
      ...placed(),
      onStep: ({ step }) => void (step === 5 && process.kill(pids()[0]!, 'SIGKILL')),
    });
  });

  it('says when the process is stuck', async () => {
    process.env['TAUSTREAM_TEST_HANG'] = '1';
    await refuses('ERR_PLACEMENT', /answer within 3 s, got none/, placed({ timeoutSeconds: 3 }));
  });

  it('stops in the middle of a run when its signal aborts', async () => {
    const stop = new AbortController();
    const { summary } = await run({
      ...placed(),
      tauThreshold: 0,
      signal: stop.signal,
      onStep: ({ step }) => void (step === 4 && stop.abort()),
    });
    assert.equal(summary.stoppedBy, 'signal');
    assert.equal(summary.steps, 4);
    assert.equal(pids().length, 1);
  });

  it('stops while the process starts when its signal aborts', async () => {
    process.env['TAUSTREAM_TEST_HANG'] = '1';
    const stop = new AbortController();
    const running = run({ ...placed(), signal: stop.signal });
    await eventually(() => existsSync(join(folder, 'pids')));
    stop.abort();
    assert.equal((await running).summary.stoppedBy, 'signal');
  });

  it('ends its process when a callback throws', async () => {
    await assert.rejects(
      run({ ...placed(), onStep: ({ step }) => assert.notEqual(step, 3, 'enough of it') }),
      /enough of it/,
    );
    assert.equal(pids().length, 1);
  });

  it('says that the engine is not there', async () => {
    const engineOptions = { cacheDir: join(folder, 'nothing') };
    await refuses('ERR_ENGINE', /^Scoring process: .*engine install/, placed({ engine: 'tensorflow', engineOptions }));
  });

  it('says that its module cannot be loaded', async () => {
    await refuses('ERR_PLACEMENT', /missing\.ts cannot be loaded/, placed({ module: join(folder, 'missing.ts') }));
  });

  it('names the samples when parameters are not numbers', async () => {
    const model = classifier();
    tf.tidy(() =>
      model.setWeights(model.getWeights().map((weight, i) => (i === 2 ? tf.fill(weight.shape, NaN) : weight))),
    );
    await refuses('ERR_SCORE', /got 24 of 24 that are not: c:0:0 \(NaN\)/, placed(), model);
  });

  it('names the sample whose label the model has no class for', async () => {
    const { corpus } = clusters(500, { labelOf: (i, label) => (i === 30 ? 4 : label) });
    await assert.rejects(run({ ...placed(), tauThreshold: 0 }, classifier(), corpus), {
      code: 'ERR_LABEL',
      message: /c:0:30/,
    });
  });

  it('refuses what only this process has', async () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 4, inputShape: [2] })] });
    model.compile({ optimizer: 'sgd', loss: ownLoss });
    const score = { where: 'process' } as const;
    await refuses('ERR_MODEL', /a loss by name.*`score\.module`/, { score }, model);
    await refuses('ERR_OPTIONS', /a scheme by name.*`squared-loss`.*`score\.module`/, { score, scheme: ownScheme });
    await refuses('ERR_OPTIONS', /`proportional-history`, which scores by what it remembers/, {
      score,
      scheme: proportionalHistory(),
    });
    const bent = tf.sequential({
      layers: [new Bend({ name: 'bent', inputShape: [2] }), tf.layers.dense({ units: 4 })],
    });
    bent.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    await refuses('ERR_MODEL', /^Scoring process: .*Unknown layer: Bend.*`score\.module`/, { score }, bent);
  });

  it('refuses options out of range', async () => {
    const bad: [unknown, RegExp][] = [
      [{ where: 'moon' }, /`score\.where`/],
      [{ where: 'process', ahead: -1 }, /`score\.ahead`/],
      [{ where: 'process', ahead: 65 }, /`score\.ahead`/],
      [{ where: 'process', parametersEvery: 0 }, /`score\.parametersEvery`/],
      [{ where: 'process', engine: 'abacus' }, /`score\.engine`/],
      [{ where: 'process', timeoutSeconds: 0 }, /`score\.timeoutSeconds`/],
      [{ where: 'process', threads: 2 }, /`score` unrecognized key/],
      [{ engine: 'wasm' }, /`score\.engine` needs `where: 'process'`/],
      [{ module }, /`score\.module` needs `where: 'process'`/],
    ];
    for (const [score, message] of bad) await refuses('ERR_OPTIONS', message, { score } as Partial<FitOptions>);
    await refuses('ERR_OPTIONS', /`ahead` cannot be given beside `score`/, { ...placed(), ahead: 1 });
  });

  it('does not outlive a trainer that is killed', async function () {
    const trainer = spawn(process.execPath, ['--import', 'tsx/esm', fixture('placed-run.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(trainer.stdout, 'data');
    assert.equal(isAlive(pids()[0]!), true);
    trainer.kill('SIGKILL');
    await once(trainer, 'exit');
    await eventually(() => !isAlive(pids()[0]!));
  });
});
