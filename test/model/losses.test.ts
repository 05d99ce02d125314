import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { ownCrossEntropy } from '../../src/engine/cross-entropy.ts';
import { isInstalled } from '../../src/engine/tensorflow/index.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { EngineError } from '../../src/errors.ts';
import { softmaxCrossEntropy, sparseSoftmaxCrossEntropy } from '../../src/model/losses.ts';
import { disposeTape } from '../engine/dispose-tape.ts';
import { useTestEngine } from '../test-engine.ts';

const hasTensorflow = await isInstalled();
const engines = ['cpu', 'wasm', ...(hasTensorflow ? (['tensorflow'] as const) : [])] as const;

const classes = 7;
const labels = [3, 0, 6, 6, 1, 2, 5, 4, 0, 1, 2, 3];
/** Logits of 12 positions: small ones, and ones whose exponentials overflow float32. */
const logits = labels.map((__, row) =>
  Array.from({ length: classes }, (_, at) =>
    Math.fround(Math.sin(12.9898 * (row * classes + at)) * (row % 3 ? 4 : 90)),
  ),
);

/** The formulas in double precision, of one position. */
function exact(z: readonly number[], label: number): { loss: number; slopes: number[] } {
  const top = Math.max(...z);
  const total = z.reduce((sum, value) => sum + Math.exp(value - top), 0);
  const slopes = z.map((value, at) => Math.exp(value - top) / total - Number(at === label));
  return { loss: Math.log(total) + top - z[label]!, slopes };
}

const close = (got: ArrayLike<number>, wanted: readonly number[], tolerance = 1e-6) => {
  assert.equal(got.length, wanted.length);
  wanted.forEach((value, i) => {
    const allowed = tolerance * Math.max(1, Math.abs(value));
    assert.ok(Math.abs(got[i]! - value) <= allowed, `[${i}]: ${got[i]}, expected ${value}`);
  });
};
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Three sequences of four positions, the last of which is masked wholly. */
const mask = [
  [1, 1, 1, 1],
  [1, 0, 1, 0],
  [0, 0, 0, 0],
];
const share = (sample: number, position: number) => mask[sample]![position]! / Math.max(1, sum(mask[sample]!));

/** Loss, squared norm and the gradient by z of Σ_i (i + 1) loss_i, read. */
function measured(loss: typeof softmaxCrossEntropy, z: tf.Tensor, y: tf.Tensor, by?: tf.Tensor) {
  const weights = tf.range(1, z.shape[0] + 1);
  const gradient = tf.grad((at: tf.Tensor) => tf.sum(tf.mul(loss.perSample(at, y, by), weights)))(z);
  const all = [loss.perSample(z, y, by), loss.squaredGradientNorm(z, y, by), gradient];
  return all.map((tensor) => tensor.dataSync());
}

describe('sparseSoftmaxCrossEntropy', () => {
  after(useTestEngine);

  for (const engine of engines) {
    describe(`on ${engine}`, () => {
      before(() => useEngine(engine));

      it('gives a classifier the losses, norms and gradients of the formulas', () => {
        const wanted = logits.map((z, i) => exact(z, labels[i]!));
        tf.tidy(() => {
          const [losses, norms, gradient] = measured(
            sparseSoftmaxCrossEntropy,
            tf.tensor2d(logits),
            tf.tensor1d(labels, 'int32'),
          );
          close(
            losses!,
            wanted.map(({ loss }) => loss),
          );
          close(
            norms!,
            wanted.map(({ slopes }) => sum(slopes.map((slope) => slope ** 2))),
            2e-6,
          );
          close(
            gradient!,
            wanted.flatMap(({ slopes }, i) => slopes.map((slope) => slope * (i + 1))),
            2e-6,
          );
        });
      });

      it('averages over the positions that the mask leaves, and gives 0 where it leaves none', () => {
        const wanted = logits.map((z, i) => exact(z, labels[i]!));
        const bySample = (value: (at: number, sample: number, position: number) => number) =>
          mask.map((row, sample) => sum(row.map((_, position) => value(sample * 4 + position, sample, position))));
        tf.tidy(() => {
          const z = tf.tensor2d(logits).reshape([3, 4, classes]);
          const y = tf.tensor2d(labels, [3, 4], 'int32');
          const [losses, norms, gradient] = measured(sparseSoftmaxCrossEntropy, z, y, tf.tensor2d(mask));
          close(
            losses!,
            bySample((at, i, s) => wanted[at]!.loss * share(i, s)),
          );
          close(
            norms!,
            bySample((at, i, s) => sum(wanted[at]!.slopes.map((one) => (one * share(i, s)) ** 2))),
            2e-6,
          );
          const slopes = wanted.flatMap((position, at) =>
            position.slopes.map((one) => one * share(Math.floor(at / 4), at % 4) * (Math.floor(at / 4) + 1)),
          );
          close(gradient!, slopes, 2e-6);
        });
      });

      it('refuses a gradient of its gradient, which would lack what goes through the probabilities', () => {
        const y = tf.tensor1d(labels, 'int32');
        for (const [loss, target] of [
          [sparseSoftmaxCrossEntropy, y],
          [softmaxCrossEntropy, tf.oneHot(y, classes)],
        ] as const) {
          const squared = (z: tf.Tensor) => tf.square(tf.sum(loss.perSample(z, target)));
          tf.tidy(() => {
            assert.throws(
              () => tf.grad((z: tf.Tensor) => tf.sum(tf.grad(squared)(z)))(tf.tensor2d(logits)),
              (error) => error instanceof EngineError && error.message.includes('expected a first derivative'),
            );
            disposeTape();
          });
        }
      });

      it('agrees to 1e-6 with the plain cross-entropy of one-hot rows', () => {
        tf.tidy(() => {
          const z = tf.tensor2d(logits).div(30);
          const y = tf.tensor1d(labels, 'int32');
          const plain = measured(softmaxCrossEntropy, z, tf.oneHot(y, classes));
          measured(sparseSoftmaxCrossEntropy, z, y).forEach((values, i) => close(values, [...plain[i]!]));
        });
      });
    });
  }

  it('is one operation on the engine tensorflow, for losses, norms and gradients', async function () {
    if (!hasTensorflow) this.skip();
    await useEngine('tensorflow');
    assert.ok(ownCrossEntropy());
    const { kernelNames } = await tf.profile(() =>
      tf.tidy(() => {
        measured(sparseSoftmaxCrossEntropy, tf.tensor2d(logits), tf.tensor1d(labels, 'int32'));
      }),
    );
    assert.ok(kernelNames.includes('SparseSoftmaxCrossEntropyWithLogits'), kernelNames.join(', '));
    assert.deepEqual(
      kernelNames.filter((name) => ['OneHot', 'Softmax', 'Log', 'Exp', 'Max'].includes(name)),
      [],
    );
  });
});
