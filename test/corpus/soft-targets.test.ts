import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { softTargets } from '../../src/corpus/soft-targets.ts';
import { openHead } from '../../src/model/head.ts';
import type { Corpus } from '../../src/stream/sample.ts';
import { useTestEngine } from '../test-engine.ts';

/** `labels.length` samples whose x is their number. */
const numbered = (labels: readonly number[]): Corpus => ({
  name: 'numbered',
  schema: { x: { type: 'int32', shape: [2] }, y: { type: 'int32', shape: [] } },
  length: labels.length,
  async *samples() {
    for (const [i, y] of labels.entries()) yield { id: `n:${i}`, x: Int32Array.of(i, 10 * i), y };
  },
});

async function take(corpus: Corpus, seed = 0): Promise<{ id: string; x: number[]; y: number[] }[]> {
  const taken = [];
  for await (const { id, x, y } of corpus.samples({ seed, epochs: 1 }))
    taken.push({ id, x: [...(x as Float32Array)], y: [...(y as Float32Array)] });
  return taken;
}

const near = (got: readonly number[], expected: readonly number[]) => {
  assert.equal(got.length, expected.length);
  for (const [i, value] of got.entries())
    assert.ok(Math.abs(value - expected[i]!) < 1e-6 * (1 + Math.abs(value)), `${got.join()} ${expected.join()}`);
};

describe('softTargets', () => {
  before(useTestEngine);

  it('spreads a share of each target over all classes', async () => {
    const [first] = await take(softTargets(numbered([1]), { classes: 4, smoothing: 0.2 }));
    near(first!.y, [0.05, 0.85, 0.05, 0.05]);
    assert.deepEqual(first!.x, [0, 0]);
  });

  it('tells the length and the parts of its corpus, whenever these are known', () => {
    let length: number | undefined;
    const corpus = { ...numbered([0, 1]), partOf: (id: string) => `part of ${id}` };
    const soft = softTargets(Object.defineProperty(corpus, 'length', { get: () => length }), { classes: 2 });
    assert.equal(soft.length, undefined);
    length = 2;
    assert.equal(soft.length, 2);
    assert.equal(soft.partOf!('n:1'), 'part of n:1');
  });

  it("multiplies a sample's loss and the bound of its gradient with its class' weight", async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({
          units: 3,
          activation: 'softmax',
          inputShape: [2],
          kernelInitializer: tf.initializers.glorotUniform({ seed: 7 }),
        }),
      ],
    });
    model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy' });
    const head = openHead(model);
    const measure = async (classWeights: number[]) => {
      const samples = await take(softTargets(numbered([0, 1, 2]), { classes: 3, smoothing: 0.1, classWeights }));
      return tf.tidy(() => {
        const z = head.forward([tf.tensor2d(samples.map(({ x }) => x))], false);
        const y = [tf.tensor2d(samples.map((sample) => sample.y))];
        return [head.perSampleLoss(z, y), head.gradientNorm(z, y)].map((values) => [...values.dataSync()]);
      });
    };
    const [plain, weighted] = [await measure([1, 1, 1]), await measure([2, 0.5, 3])];
    for (const [i, values] of weighted.entries())
      near(
        values,
        [2, 0.5, 3].map((weight, k) => weight * plain[i]![k]!),
      );
    model.dispose();
  });

  it('mixes pictures and targets of neighbours by the same share, the larger part its own', async () => {
    const labels = [0, 1, 2, 0, 1, 2, 0, 1];
    const mixed = await take(softTargets(numbered(labels), { classes: 3, mixup: 0.4 }), 7);
    assert.deepEqual(mixed[0], { id: 'n:0', x: [0, 0], y: [1, 0, 0] }); // nobody came before it
    for (const [i, { id, x, y }] of mixed.entries()) {
      if (i === 0) continue;
      const own = y[labels[i]!]!;
      assert.ok(own >= 0.5 && own <= 1, `${own}`);
      near(
        y,
        [0, 1, 2].map((c) => own * Number(c === labels[i]) + (1 - own) * Number(c === labels[i - 1])),
      );
      assert.ok(Math.abs(x[0]! - (i - (1 - own))) < 1e-5 && Math.abs(x[1]! - 10 * x[0]!) < 1e-4);
      assert.equal(id, `n:${i}`);
    }
    assert.ok(mixed.some(({ y }) => Math.max(...y) < 0.99));
    assert.deepEqual(await take(softTargets(numbered(labels), { classes: 3, mixup: 0.4 }), 7), mixed);
    assert.notDeepEqual(await take(softTargets(numbered(labels), { classes: 3, mixup: 0.4 }), 8), mixed);
  });

  it('draws shares of mean 0.5 + E|λ - 0.5|: for α = 1, 0.75', async () => {
    const labels = Array.from({ length: 4000 }, (_, i) => i % 2);
    const mixed = await take(softTargets(numbered(labels), { classes: 2, mixup: 1 }), 7);
    const mean = mixed.slice(1).reduce((sum, { y }) => sum + Math.max(...y), 0) / 3999;
    assert.ok(Math.abs(mean - 0.75) < 0.012, `${mean}`); // five standard errors: 1 in a million by chance
  });

  it('refuses labels that are none of the classes, and weights that are not one a class', async () => {
    const wrong = softTargets(numbered([0, 5]), { classes: 3 });
    await assert.rejects(take(wrong), {
      code: 'ERR_LABEL',
      message: /sample n:1: expected a label of 0 to 2 in `y`, got 5/,
    });
    assert.throws(() => softTargets(numbered([0]), { classes: 3, classWeights: [1] }), {
      code: 'ERR_OPTIONS',
      message: /expected 3, got 1/,
    });
    assert.throws(() => softTargets(numbered([0]), { classes: 3, smoothing: 1 } as const), { code: 'ERR_OPTIONS' });
  });

  it('tells positions as the corpus does, unless it mixes', async () => {
    const corpus: Corpus = {
      ...numbered([0, 1]),
      samples: () => Object.assign(numbered([0, 1]).samples({ seed: 0 }), { position: (taken: number) => ({ taken }) }),
    };
    const stream = (options: object) => softTargets(corpus, { classes: 2, ...options }).samples({ seed: 0 });
    assert.deepEqual(stream({ smoothing: 0.1 }).position?.(1), { taken: 1 });
    assert.equal(stream({ mixup: 0.2 }).position, undefined);
  });
});
