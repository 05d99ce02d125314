import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { useEngine } from '../../src/engine/use-engine.ts';

const uniform = (shape: number[], seed: number) => tf.randomUniform(shape, -1, 1, 'float32', seed);
const apart = (a: tf.Tensor, b: tf.Tensor) => a.sub(b).abs().max().arraySync() as number;

for (const engine of ['wasm', 'cpu'] as const) {
  describe(`gradients on ${engine}`, () => {
    let tensors = 0;
    before(async () => {
      await useEngine(engine);
      tensors = tf.memory().numTensors;
    });
    afterEach(() => assert.equal(tf.memory().numTensors, tensors));

    it('avgPool gives each window the weight 1, also along the edges', () => {
      tf.tidy(() => {
        const x = uniform([2, 7, 5, 3], 1);
        for (const [size, stride, windows] of [
          [3, 2, 4 * 3],
          [2, 1, 7 * 5],
          [4, 3, 3 * 2],
        ] as const) {
          const gradient = tf.grad((image: tf.Tensor) =>
            tf.avgPool(image.as4D(2, 7, 5, 3), size, stride, 'same').sum(),
          )(x);
          // Each window's mean hands out 1 to the places it saw: in each image and channel they add up to the windows.
          assert.ok(apart(gradient.sum([1, 2]), tf.ones([2, 3]).mul(windows)) < 1e-4);
        }
      });
    });

    it('batchNorm is that of its definition', () => {
      tf.tidy(() => {
        const inputs = [
          uniform([3, 4, 5], 1),
          uniform([5], 2),
          uniform([5], 3).add(2),
          uniform([5], 4),
          uniform([5], 5),
        ];
        const weights = uniform([3, 4, 5], 6);
        const byOp = (...[x, mean, variance, offset, scale]: tf.Tensor[]) =>
          tf.batchNorm(x!, mean as tf.Tensor1D, variance as tf.Tensor1D, offset, scale, 0.01);
        const byDefinition = (...[x, mean, variance, offset, scale]: tf.Tensor[]) =>
          x!.sub(mean!).div(variance!.add(0.01).sqrt()).mul(scale!).add(offset!);
        const [ours, expected] = [byOp, byDefinition].map((norm) =>
          tf.grads((...all: tf.Tensor[]) =>
            norm(...all)
              .mul(weights)
              .sum(),
          )(inputs),
        );
        assert.ok(ours!.every((gradient, i) => apart(gradient, expected![i]!) < 1e-5));
      });
    });

    it('einsum is that of the product it stands for', () => {
      tf.tidy(() => {
        const inputs = [uniform([2, 3, 4], 1), uniform([2, 4, 5], 2)];
        const weights = uniform([2, 3, 5], 3);
        const [ours, expected] = [
          (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.einsum('bij,bjk->bik', a, b),
          (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b),
        ].map((product) => tf.grads((a: tf.Tensor, b: tf.Tensor) => product(a, b).mul(weights).sum())(inputs));
        assert.ok(ours!.every((gradient, i) => apart(gradient, expected![i]!) < 1e-5));
      });
    });

    it('einsum spreads over axes that were summed out of one tensor alone', function () {
      // The plain backend's result has a wrong shape before there is a gradient.
      if (engine === 'cpu') this.skip();
      tf.tidy(() => {
        const a = tf.ones([2, 3]);
        const [da, db] = tf.grads((x: tf.Tensor, y: tf.Tensor) => tf.einsum('ij,k->i', x, y).sum())([
          a,
          tf.tensor1d([1, 2]),
        ]);
        assert.deepEqual(da!.arraySync(), [
          [3, 3, 3],
          [3, 3, 3],
        ]);
        assert.deepEqual(db!.arraySync(), [6, 6]);
      });
    });
  });
}
