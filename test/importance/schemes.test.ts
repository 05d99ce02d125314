import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { HistoryError, LossError, ModelError, OptionsError, ScoreError } from '../../src/errors.ts';
import { biased } from '../../src/importance/biased.ts';
import { constantTimeSizes } from '../../src/importance/constant-time.ts';
import { infobatch } from '../../src/importance/infobatch.ts';
import { learnedFilter, Policy } from '../../src/importance/learned-filter.ts';
import { onlineBatchSelection, rankChances } from '../../src/importance/online-batch-selection.ts';
import { onlineScores } from '../../src/importance/online-scores.ts';
import { predicted } from '../../src/importance/predicted.ts';
import { proportionalHistory } from '../../src/importance/proportional-history.ts';
import { rhoLoss } from '../../src/importance/rho-loss.ts';
import { schemes } from '../../src/importance/schemes.ts';
import type { Scheme, SchemeContext, SchemeRun } from '../../src/importance/scheme.ts';
import { selectiveBackprop } from '../../src/importance/selective-backprop.ts';
import { svrg } from '../../src/importance/variance-reduced.ts';
import { tripletLossOf } from '../../src/model/embedding-loss.ts';
import { openHead } from '../../src/model/head.ts';
import { isHeldOut } from '../../src/stream/held-out.ts';
import { createRng } from '../../src/stream/random.ts';
import type { Corpus } from '../../src/stream/sample.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { fit } from '../../src/train/fit.ts';
import type { StepRecord } from '../../src/train/step-record.ts';
import { useTestEngine } from '../test-engine.ts';
import { classifier, clusters, embedder } from './toys.ts';

interface Taken {
  readonly ids: readonly string[];
  readonly weights: readonly number[];
  readonly phase: string;
  readonly presampleSize: number;
}

async function run(scheme: string | Scheme, options: Partial<FitOptions> = {}, corpus: Corpus = clusters()) {
  const forEmbeddings = scheme === 'distance-weighted';
  const taken: Taken[] = [];
  const records: StepRecord[] = [];
  const model = forEmbeddings ? embedder() : classifier();
  const summary = await fit(model, corpus, {
    batchSize: 8,
    presampleSize: 24,
    tauThreshold: 1.05,
    seed: 5,
    learningRate: 0.02,
    steps: 60,
    scheme,
    onMinibatch: ({ ids, weights, phase, presample }) =>
      void taken.push({ ids, weights: [...weights], phase, presampleSize: presample.size }),
    onStep: (record) => void records.push(record),
    ...options,
  });
  return { taken, records, summary, model };
}

describe('every scheme', () => {
  before(useTestEngine);

  for (const name of Object.keys(schemes))
    it(`${name} learns, gives steps of finite loss, and leaves no tensor behind`, async () => {
      const before = tf.memory().numTensors;
      const { summary, taken, records, model } = await run(name, { steps: 120 });
      assert.equal(summary.steps, 120);
      assert.ok(summary.lastLoss < 0.75 * summary.firstLoss, `${summary.firstLoss} -> ${summary.lastLoss}`);
      assert.ok(taken.every(({ weights }) => weights.every((weight) => weight >= 0 && Number.isFinite(weight))));
      assert.ok(records.every(({ loss }) => Number.isFinite(loss)));
      const slots = model.weights.length;
      model.dispose();
      // What the model was made of is gone, and tfjs' Adam keeps two powers of its own.
      assert.ok(tf.memory().numTensors - before <= 2, `${tf.memory().numTensors - before} left, of ${slots} weights`);
    });

  for (const name of Object.keys(schemes))
    it(`${name} takes the same minibatches from the same seed`, async () => {
      const [first, second] = [await run(name, { steps: 8 }), await run(name, { steps: 8 })];
      assert.deepEqual(second.taken, first.taken);
    });

  it('stops with a typed error at a loss that is not a number', async () => {
    const corpus = clusters();
    const nan: Corpus = {
      ...corpus,
      async *samples(options) {
        for await (const sample of corpus.samples(options)) yield { ...sample, x: [Number.NaN, 0] };
      },
    };
    for (const name of Object.keys(schemes).filter((one) => one !== 'rho-loss'))
      await assert.rejects(run(name, {}, nan), (error: Error) => {
        assert.ok(error instanceof LossError || error instanceof ScoreError, `${name}: ${String(error)}`);
        return true;
      });
  });
});

describe('schemes with a memory', () => {
  before(useTestEngine);
  const remembering = { predicted, onlineScores, proportionalHistory, onlineBatchSelection, infobatch };

  for (const [name, make] of Object.entries(remembering)) {
    it(`${name} refuses a corpus larger than its limit`, async () => {
      await assert.rejects(run(make({ historyLimit: 40 })), (error: Error) => {
        assert.ok(error instanceof HistoryError);
        assert.match(error.message, /at most 40 ids \(`historyLimit`\), got another, c:\d+/);
        return true;
      });
    });

    it(`${name} refuses ids that change from epoch to epoch`, async () => {
      const unstable = clusters(48, { ids: (epoch, i) => `c:${epoch}:${i}` });
      await assert.rejects(run(make({}), { steps: 500 }, unstable), (error: Error) => {
        assert.ok(error instanceof HistoryError);
        assert.match(error.message, /at most 48 ids, one a sample of the corpus/);
        return true;
      });
    });

    it(`${name} refuses options out of range`, () => {
      assert.throws(() => make({ historyLimit: 0 }), OptionsError);
      assert.throws(() => make({ sise: 3 } as never), OptionsError);
    });
  }
});

describe('randomSubset', () => {
  before(useTestEngine);
  it('trains on b different samples of each B, with weight 1', async () => {
    const { taken } = await run('random-subset');
    for (const { ids, weights, phase, presampleSize } of taken) {
      assert.deepEqual([phase, presampleSize, new Set(ids).size], ['importance', 24, 8]);
      assert.ok(weights.every((weight) => weight === 1));
    }
  });
});

describe('hardNegative', () => {
  before(useTestEngine);
  it('trains on the b largest losses of each presample, by a slow reference', async () => {
    const model = classifier();
    const head = openHead(model);
    let checked = 0;
    await fit(model, clusters(), {
      batchSize: 8,
      presampleSize: 24,
      seed: 5,
      learningRate: 0.02,
      steps: 20,
      scheme: 'hard-negative',
      onMinibatch: ({ ids, presample }) => {
        const losses = tf.tidy(() => [
          ...head
            .perSampleLoss(head.forward([presample.tensor('x')], false), [presample.tensor('y')])
            .dataSync<'float32'>(),
        ]);
        const kept = ids.map((id) => losses[presample.ids.indexOf(id)]!);
        const rest = presample.ids.flatMap((id, row) => (ids.includes(id) ? [] : [losses[row]!]));
        assert.ok(Math.min(...kept) >= Math.max(...rest));
        checked += 1;
      },
    });
    assert.equal(checked, 20);
  });
});

describe('selectiveBackprop', () => {
  before(useTestEngine);
  it('keeps the largest loss always, half of all with β = 1, and never weighs', async () => {
    const { taken } = await run(selectiveBackprop(), { steps: 400 });
    const kept = taken.flatMap(({ weights }) => weights).filter((weight) => weight > 0);
    assert.ok(kept.every((weight) => weight === 1));
    const presamples = Math.ceil(taken.length / 2); // 24 rows, of which 8 to 16 are kept mostly
    assert.ok(kept.length / (24 * presamples) > 0.35 && kept.length / (24 * presamples) < 0.65);
  });

  it('asks for the percentile among recent losses, to the power β', () => {
    const { selection } = selectiveBackprop({ beta: 2, windowSize: 4 }).start!({} as never);
    assert.deepEqual(Array.from(selection!.chances!(Float32Array.of(4, 1, 2, 3), 0)), [1, 1 / 16, 1 / 4, 9 / 16]);
    // The window has moved on: these four are all that it holds.
    assert.deepEqual(Array.from(selection!.chances!(Float32Array.of(8, 7, 6, 5), 0)), [1, 9 / 16, 1 / 4, 1 / 16]);
  });

  it('refuses β of 0', () => assert.throws(() => selectiveBackprop({ beta: 0 }), OptionsError));
});

describe('onlineScores', () => {
  before(useTestEngine);
  it('draws by the scores of the last visits, by a slow reference', async () => {
    const model = classifier();
    const head = openHead(model);
    const remembered = new Map<string, number>();
    const lambda = 0.1;
    let drawn = 0;
    await fit(model, clusters(), {
      batchSize: 8,
      presampleSize: 24,
      seed: 5,
      learningRate: 0.02,
      steps: 30,
      scheme: onlineScores(),
      onMinibatch: ({ ids, weights, presample }) => {
        const known = presample.ids.map((id) => remembered.get(id));
        const sure = known.filter((score) => score !== undefined);
        const all = [...remembered.values()];
        const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
        const rest = sure.length > 0 ? mean(sure) : all.length > 0 ? mean(all) : 1;
        const scores = known.map((score) => score ?? rest);
        const p = scores.map((score) => (1 - lambda) * score + lambda * mean(scores));
        const total = p.reduce((sum, value) => sum + value, 0);
        ids.forEach((id, i) => {
          const expected = total / (24 * p[presample.ids.indexOf(id)]!);
          assert.ok(Math.abs(weights[i]! - expected) < 1e-4 * expected, `${weights[i]} is not ${expected}`);
          drawn += 1;
        });
        const fresh = tf.tidy(() => {
          const rows = ids.map((id) => presample.ids.indexOf(id));
          const x = tf.gather(presample.tensor('x'), rows);
          const y = tf.gather(presample.tensor('y'), rows);
          return [...head.gradientNorm(head.forward([x], false), [y]).dataSync<'float32'>()];
        });
        ids.forEach((id, i) => remembered.set(id, fresh[i]!));
      },
    });
    assert.equal(drawn, 240);
  });

  it('runs no forward pass to score', async () => {
    let calls = 0;
    const counted: Scheme = {
      ...onlineScores(),
      start: (context) => {
        const forward = context.head.forward.bind(context.head);
        Object.assign(context.head, {
          forward: (inputs: tf.Tensor[], training: boolean) => {
            if (!training) calls += 1;
            return forward(inputs, training);
          },
        });
        return onlineScores().start!(context);
      },
    };
    await run(counted, { steps: 20 });
    assert.equal(calls, 0);
  });
});

describe('infobatch', () => {
  before(useTestEngine);
  it('leaves out half of the samples below the mean loss, doubles the others, and nobody near the end', async () => {
    const { taken, records } = await run(infobatch(), { steps: 400, learningRate: 1e-4 });
    const seenBy = (from: number, to: number) => taken.slice(from, to).flatMap(({ weights }) => weights);
    assert.ok(
      seenBy(0, 12).every((weight) => weight === 1),
      'every sample is new in the first epoch',
    );
    const middle = seenBy(24, 350);
    assert.deepEqual(new Set(middle), new Set([1, 2]));
    const stoodFor = middle.reduce((sum, weight) => sum + weight, 0);
    assert.ok(middle.length < 0.85 * stoodFor, `${middle.length} for ${stoodFor}`);
    assert.ok(
      seenBy(370, 400).every((weight) => weight === 1),
      'all samples at the end',
    );
    assert.ok(records.every(({ phase }) => phase === 'uniform'));
  });

  it('weighs a sample that may be left out by one over its chance to stay, so that nothing is biased', () => {
    const context = { corpus: { length: 3 }, seed: 4, share: () => 0.5 };
    const started = infobatch({ pruneShare: 0.3 }).start!(context as unknown as SchemeContext);
    started.trained!(['easy', 'hard', 'other'], Float32Array.of(0.1, 5, 3));
    const tries = 20_000;
    let [easy, hard, weight] = [0, 0, 0];
    for (let i = 0; i < tries; i++) {
      if (started.admit!('easy')) {
        easy += 1;
        weight += started.weightOf!('easy');
      }
      if (started.admit!('hard')) hard += started.weightOf!('hard');
    }
    assert.equal(hard, tries);
    assert.ok(Math.abs(weight / easy - 1 / 0.7) < 1e-12);
    // Binomial(20,000, 0.7): standard deviation 65; five of them.
    assert.ok(Math.abs(easy - 0.7 * tries) < 325, `${easy}`);
    assert.equal(started.weightOf!('unknown'), 1);
  });

  it('keeps steps as long as those of uniform sampling with `evenSteps`, and the proportion of weights', () => {
    const context = { corpus: { length: 2 }, seed: 4, share: () => 0.5 };
    const started = infobatch({ evenSteps: true }).start!(context as unknown as SchemeContext);
    started.trained!(['easy', 'hard'], Float32Array.of(1, 3));
    const weights = { easy: [] as number[], hard: [] as number[] };
    for (let i = 0; i < 20_000; i++)
      for (const id of ['easy', 'hard'] as const) if (started.admit!(id)) weights[id].push(started.weightOf!(id));
    const late = { easy: weights.easy.slice(5000), hard: weights.hard.slice(10_000) };
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const [easy, hard] = [sum(late.easy), sum(late.hard)];
    // The mean of so many weights, of which a third are twice the others: within 3 % of 1 with 1,000 in the running mean.
    assert.ok(Math.abs((easy + hard) / (late.easy.length + late.hard.length) - 1) < 0.03);
    assert.ok(Math.abs(easy / late.easy.length / (hard / late.hard.length) - 2) < 0.03);
  });

  it('leaves nobody out while the mean loss is above its bound', () => {
    const context = { corpus: { length: 3 }, seed: 4, share: () => 0.5 };
    const started = infobatch({ pruneBelow: 0.25 }).start!(context as unknown as SchemeContext);
    const admitted = () => Array.from({ length: 200 }, () => started.admit!('easy')).filter(Boolean).length;
    started.trained!(['easy', 'hard'], Float32Array.of(1, 3)); // the first mean is 2
    started.trained!(['easy'], Float32Array.of(0.1)); // now 1.55
    assert.equal(admitted(), 200);
    started.trained!(['hard'], Float32Array.of(0.6)); // now 0.35, below 0.5
    assert.ok(admitted() < 140);
  });

  it('leaves nobody out any more while the mean loss is below its lower bound', () => {
    const context = { corpus: { length: 3 }, seed: 4, share: () => 0.5 };
    const started = infobatch({ pruneAbove: 0.1 }).start!(context as unknown as SchemeContext);
    const admitted = () => Array.from({ length: 200 }, () => started.admit!('easy')).filter(Boolean).length;
    started.trained!(['easy', 'hard'], Float32Array.of(1, 3)); // the first mean is 2
    started.trained!(['easy', 'hard'], Float32Array.of(0.1, 0.4)); // now 0.25
    assert.ok(admitted() < 140);
    started.trained!(['easy', 'hard'], Float32Array.of(0.01, 0.3)); // now 0.155, below 0.2
    assert.equal(admitted(), 200);
    started.trained!(['hard'], Float32Array.of(0.9)); // forgotten again: 0.455
    assert.ok(admitted() < 140);
  });

  it('goes on from a saved state as if never stopped', () => {
    const context = { corpus: { length: 3 }, seed: 4, share: () => 0.5 };
    const [one, other] = [0, 1].map(() => infobatch({ evenSteps: true }).start!(context as unknown as SchemeContext));
    one!.trained!(['easy', 'hard'], Float32Array.of(1, 3));
    const decide = (scheme: SchemeRun) =>
      Array.from({ length: 50 }, () => scheme.admit!('easy') && scheme.weightOf!('easy'));
    decide(one!);
    other!.restore!(structuredClone(one!.state!()));
    assert.deepEqual(decide(other!), decide(one!));
  });

  it('refuses to leave out all', () => assert.throws(() => infobatch({ pruneShare: 1 }), OptionsError));

  it('refuses bounds between which no loss lies', () =>
    assert.throws(() => infobatch({ pruneBelow: 0.1, pruneAbove: 0.1 }), /pruneAbove.*below/s));
});

describe('onlineBatchSelection', () => {
  it('gives ranks chances that fall exponentially to 1 / s_e of the first', () => {
    const chances = rankChances([0.1, 5, 2, 3], 16);
    assert.deepEqual(
      [...chances].map((chance) => Math.round(Math.log2(chance) * 1e9) / 1e9),
      [-3, 0, -2, -1],
    );
  });

  it('refuses a pressure below 1', () =>
    assert.throws(() => onlineBatchSelection({ pressure: [0.5, 1] }), OptionsError));
});

describe('proportionalHistory', () => {
  it('draws by (loss + ε)^α and lets β rise to 1', () => {
    const { selection } = proportionalHistory({ alpha: 0.5, beta: 0.4, epsilon: 1 }).start!({ corpus: {} } as never);
    assert.deepEqual(Array.from(selection!.chances!(Float32Array.of(3, 8, 0), 0)), [2, 3, 1]);
    const power = selection!.weightPower as (share: number) => number;
    assert.deepEqual([power(0), power(1)], [0.4, 1]);
    assert.ok(Math.abs(power(0.5) - 0.7) < 1e-12);
  });
});

describe('biased', () => {
  before(useTestEngine);
  it('is Algorithm 1 by the loss with k = 1', async () => {
    const [one, other] = [await run(biased({ k: 1 })), await run('loss')];
    assert.deepEqual(one.taken, other.taken);
  });
  it('refuses k above 1', () => assert.throws(() => biased({ k: 1.5 }), OptionsError));
});

describe('rhoLoss', () => {
  before(useTestEngine);

  it('takes the b largest of loss less irreducible loss, by a slow reference', async () => {
    const [model, holdout] = [classifier(), classifier(tf.train.adam(0.05))];
    await fit(holdout, clusters(), { batchSize: 8, presampleSize: 8, steps: 60, scheme: 'uniform' });
    const [head, other] = [openHead(model), openHead(holdout)];
    await fit(model, clusters(), {
      batchSize: 8,
      presampleSize: 24,
      seed: 5,
      learningRate: 0.02,
      steps: 20,
      scheme: rhoLoss({ holdout }),
      onMinibatch: ({ ids, presample }) => {
        const rho = tf.tidy(() => {
          const [x, y] = [presample.tensor('x'), presample.tensor('y')];
          const lossBy = (one: typeof head) => one.perSampleLoss(one.forward([x], false), [y]);
          return [...tf.sub(lossBy(head), lossBy(other)).dataSync<'float32'>()];
        });
        const kept = ids.map((id) => rho[presample.ids.indexOf(id)]!);
        const rest = presample.ids.flatMap((id, row) => (ids.includes(id) ? [] : [rho[row]!]));
        assert.ok(Math.min(...kept) >= Math.max(...rest) - 1e-5);
      },
    });
  });

  it('trains its own holdout model on samples that the run never sees', async () => {
    const { taken } = await run(rhoLoss({ holdoutShare: 0.4 }), { steps: 60 }, clusters(200));
    const seen = new Set(taken.flatMap(({ ids }) => ids));
    const drawnFrom = 24 * taken.length;
    assert.ok(drawnFrom > 3 * 200, 'several passes');
    assert.ok(seen.size < 0.72 * 200, `${seen.size} of 200 seen`);
  });
});

describe('constantVariance', () => {
  before(useTestEngine);
  it('trains on about b / τ² samples, and scores 1.2 b', async () => {
    const sizes = new Set<string>();
    const model = classifier();
    await fit(model, clusters(), {
      batchSize: 16,
      presampleSize: 24,
      seed: 5,
      learningRate: 0.05,
      steps: 200,
      scheme: 'constant-variance',
      tauThreshold: 1,
      onMinibatch: ({ phase, size, presample }) => void sizes.add(`${phase} ${presample.size} ${size}`),
    });
    const drawn = [...sizes].filter((size) => size.startsWith('importance'));
    assert.ok(drawn.length > 1, [...sizes].join());
    for (const one of drawn) {
      const [, scored, trained] = one.split(' ').map(Number);
      assert.equal(scored, 20);
      assert.ok(trained! <= 16 && trained! % 2 === 0);
    }
  });
});

describe('constantTimeSizes', () => {
  it('follows the formula of the authors’ code, in eighths of b', () => {
    const options = { backwardTime: 2, ratio: 0.5, smallest: 0.2 };
    // τ = 2, b = 128: a = 64, t = 384, B = 128 + (384 − 192 − 128) / 2 = 160, a = (384 − 160) / 3 = 74 → 64.
    assert.deepEqual(constantTimeSizes(128, 2, options), { scored: 160, trained: 64 });
    // τ large: a = 25.6, B = 128 + (384 − 76.8 − 128) / 2 = 217 → 208, a = 58 → 48.
    assert.deepEqual(constantTimeSizes(128, 100, options), { scored: 208, trained: 48 });
  });

  it('never takes longer than a uniform step', () => {
    for (const tau of [1, 1.3, 2, 3, 7, 30]) {
      const { scored, trained } = constantTimeSizes(128, tau, { backwardTime: 2, ratio: 0.5, smallest: 0.2 });
      assert.ok(scored + 3 * trained <= 3 * 128);
    }
  });
});

describe('svrg', () => {
  before(useTestEngine);

  it('takes a step of the exact gradient from its anchor, whatever is drawn', async () => {
    const corpus = clusters(80);
    const [one, other] = [classifier(tf.train.sgd(0.1)), classifier(tf.train.sgd(0.1))];
    await fit(one, corpus, {
      batchSize: 8,
      presampleSize: 8,
      steps: 1,
      learningRate: 0.1,
      seed: 5,
      scheme: svrg({ anchorBatches: 10 }),
    });
    // At the anchor both minibatch gradients are equal, so what is left is the gradient of all 80.
    await fit(other, corpus, { batchSize: 80, presampleSize: 80, steps: 1, learningRate: 0.1, scheme: 'uniform' });
    one.getWeights().forEach((weight, i) => {
      const expected = other.getWeights()[i]!.dataSync();
      weight.dataSync().forEach((value, j) => assert.ok(Math.abs(value - expected[j]!) < 1e-5));
    });
  });

  it('takes the steps of a slow reference', async () => {
    const corpus = clusters(32);
    const model = classifier(tf.train.sgd(0.1));
    const reference = classifier(tf.train.sgd(0.1));
    const head = openHead(reference);
    const variables = reference.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const gradient = (x: tf.Tensor, y: tf.Tensor, at: tf.Tensor[]) => {
      const now = variables.map((variable) => tf.tensor(variable.dataSync().slice(), variable.shape));
      variables.forEach((variable, i) => variable.assign(tf.clone(at[i]!)));
      const { grads } = tf.variableGrads(
        () => tf.mean<tf.Scalar>(head.perSampleLoss(head.forward([x], true), [y])),
        variables,
      );
      variables.forEach((variable, i) => variable.assign(now[i]!));
      return variables.map((variable) => grads[variable.name]!);
    };
    const copy = () => variables.map((variable) => tf.tensor(variable.dataSync().slice(), variable.shape));
    let anchor: tf.Tensor[] = [];
    await fit(model, corpus, {
      batchSize: 8,
      presampleSize: 8,
      steps: 8,
      learningRate: 0.1,
      seed: 5,
      scheme: svrg({ anchorBatches: 4, steps: 4 }),
      onMinibatch: (batch) => {
        if (batch.turn === 0) anchor = copy();
        const mu = gradient(batch.presample.tensor('x'), batch.presample.tensor('y'), anchor);
        const [x, y] = [batch.tensor('x'), batch.tensor('y')];
        const [here, there] = [gradient(x, y, copy()), gradient(x, y, anchor)];
        variables.forEach((variable, i) =>
          variable.assign(tf.sub(variable, tf.mul(0.1, tf.add(tf.sub(here[i]!, there[i]!), mu[i]!)))),
        );
      },
    });
    model.getWeights().forEach((weight, i) => {
      const expected = reference.getWeights()[i]!.dataSync();
      weight
        .dataSync()
        .forEach((value, j) => assert.ok(Math.abs(value - expected[j]!) < 1e-5, `${value} is not ${expected[j]}`));
    });
  });

  it('refuses an anchor of no samples', () => assert.throws(() => svrg({ anchorBatches: 0 }), OptionsError));
});

describe('distanceWeighted', () => {
  before(useTestEngine);
  it('sets the negatives of a triplet loss for its run alone', async () => {
    const model = embedder();
    const loss = tripletLossOf(model)!;
    const seen = new Set<string>();
    await fit(model, clusters(), {
      batchSize: 24,
      presampleSize: 24,
      steps: 3,
      scheme: 'distance-weighted',
      onMinibatch: () => void seen.add(loss.negatives),
    });
    assert.deepEqual([...seen, loss.negatives], ['distance-weighted', 'all']);
    await fit(model, clusters(), {
      batchSize: 24,
      presampleSize: 24,
      steps: 3,
      scheme: 'hard-negative',
      onMinibatch: () => void seen.add(loss.negatives),
    });
    assert.deepEqual([...seen], ['distance-weighted', 'semi-hard']);
  });

  it('refuses a loss of single samples', async () => {
    await assert.rejects(
      fit(classifier(), clusters(), { batchSize: 8, presampleSize: 24, steps: 3, scheme: 'distance-weighted' }),
      ModelError,
    );
  });
});

describe('predicted', () => {
  before(useTestEngine);
  it('learns to tell easy samples from hard ones by their past', async () => {
    // Half of the samples have a label that cannot be learnt, and so a large loss for ever.
    const corpus = clusters();
    const rng = createRng(9, 'labels');
    const noisy: Corpus = {
      ...corpus,
      async *samples(options) {
        for await (const sample of corpus.samples(options))
          yield Number(sample.id.slice(2)) % 2 === 0 ? sample : { ...sample, y: rng.integer(4) };
      },
    };
    const scores: [number, boolean][] = [];
    await run(
      predicted({ learningRate: 0.02 }),
      {
        steps: 300,
        onScores: (batch, given) => {
          batch.ids.forEach((id, row) => scores.push([given[row]!, Number(id.slice(2)) % 2 === 1]));
        },
      },
      noisy,
    );
    const late = scores.slice(-2000);
    const meanOf = (hard: boolean) => {
      const values = late.flatMap(([score, isHard]) => (isHard === hard ? [score] : []));
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    assert.ok(meanOf(true) > 1.3 * meanOf(false), `${meanOf(true)} against ${meanOf(false)}`);
  });
  it('refuses options out of range', () => assert.throws(() => predicted({ depth: 0 }), OptionsError));
});

describe('learnedFilter', () => {
  before(useTestEngine);
  it('never trains on the samples that it is rewarded by', async () => {
    const { taken } = await run(learnedFilter({ heldOutShare: 0.4 }), { steps: 60 }, clusters(200));
    const trained = new Set(taken.flatMap(({ ids, weights }) => ids.filter((_, i) => weights[i]! > 0)));
    for (const id of trained) assert.equal(isHeldOut(5, id, 0.4), false);
    assert.ok(trained.size > 60);
  });

  it('learns by REINFORCE to keep what is rewarded', () => {
    const policy = new Policy(0.3, createRng(1, 'policy'));
    const losses = Float32Array.from({ length: 32 }, (_, i) => i / 8);
    for (let episode = 0; episode < 400; episode++) {
      // The reward is the share of large losses among what was kept.
      const kept = policy.decide(losses, 0.5);
      const hard = kept.reduce((sum, keep, i) => sum + (i >= 16 ? keep : 0), 0);
      policy.reward(
        hard /
          Math.max(
            1,
            kept.reduce((sum, keep) => sum + keep, 0),
          ),
      );
    }
    const chance = (rank: number, loss: number) => policy.chanceOf([1, rank, rank ** 2, Math.log1p(loss), 0.5]);
    assert.ok(chance(0.9, 3.6) > 2 * chance(0.1, 0.4), `${chance(0.9, 3.6)} against ${chance(0.1, 0.4)}`);
  });

  it('refuses options out of range', () => assert.throws(() => learnedFilter({ episodeSteps: 0 }), OptionsError));
});

describe('a scheme that does not fit', () => {
  before(useTestEngine);
  it('is refused when it cannot copy the model for a holdout', async () => {
    class Secret extends tf.layers.Layer {
      static className = 'Secret';
      override call(inputs: tf.Tensor | tf.Tensor[]) {
        return Array.isArray(inputs) ? inputs[0]! : inputs;
      }
    }
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ units: 4, inputShape: [2] }),
        new Secret({}),
        tf.layers.dense({ units: 4, activation: 'softmax' }),
      ],
    });
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    await assert.rejects(
      fit(model, clusters(), { batchSize: 8, presampleSize: 24, steps: 3, scheme: 'rho-loss' }),
      ModelError,
    );
  });
});
