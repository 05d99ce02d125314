import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { useEngine } from '../../../src/engine/use-engine.ts';
import { broadcastIndices } from '../../../src/engine/wasm/mat-mul.ts';

/** The product by its definition, in double precision. */
function product(
  a: Float32Array,
  b: Float32Array,
  [m, k, n]: readonly number[],
  transA: boolean,
  transB: boolean,
): number[] {
  const out: number[] = [];
  for (let i = 0; i < m!; i++) {
    for (let j = 0; j < n!; j++) {
      let sum = 0;
      for (let p = 0; p < k!; p++) sum += a[transA ? p * m! + i : i * k! + p]! * b[transB ? j * k! + p : p * n! + j]!;
      out.push(sum);
    }
  }
  return out;
}

const random = (size: number, seed: number) => tf.randomUniform([size], -1, 1, 'float32', seed);
const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) => {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++) assert.ok(Math.abs(actual[i]! - expected[i]!) <= tolerance, `at ${i}`);
};

const compare = (m: number, k: number, n: number, transA: boolean, transB: boolean) =>
  tf.tidy(() => {
    const [a, b] = [random(m * k, 3 + m), random(k * n, 5 + n)];
    const left = a.reshape<tf.Tensor2D>(transA ? [k, m] : [m, k]);
    const right = b.reshape<tf.Tensor2D>(transB ? [n, k] : [k, n]);
    const expected = product(a.dataSync<'float32'>(), b.dataSync<'float32'>(), [m, k, n], transA, transB);
    close(tf.matMul(left, right, transA, transB).dataSync(), expected, 1e-6 * k + 1e-6);
  });

describe('batchMatMul', () => {
  let tensors = 0;
  before(async () => {
    await useEngine('wasm');
    tensors = tf.memory().numTensors;
  });
  afterEach(() => assert.equal(tf.memory().numTensors, tensors));

  it('is the sum of products for any shape and transposes', () => {
    const axis = fc.integer({ min: 1, max: 40 });
    fc.assert(fc.property(axis, axis, axis, fc.boolean(), fc.boolean(), compare), { numRuns: 200, seed: 1 });
  });

  it('is the sum of products over more rows, columns and depth than one block holds', () => {
    for (const [transA, transB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      compare(131, 517, 21, transA, transB);
    }
  });

  it('gives zeros for an empty depth, and nothing for an empty side', () => {
    tf.tidy(() => {
      assert.deepEqual(Array.from(tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3])).dataSync()), [0, 0, 0, 0, 0, 0]);
      assert.deepEqual(tf.matMul(tf.zeros([0, 2]), tf.zeros([2, 3])).shape, [0, 3]);
    });
  });

  it('broadcasts batches', () => {
    tf.tidy(() => {
      const a = random(2 * 1 * 3 * 4, 1).reshape([2, 1, 3, 4]);
      const b = random(5 * 4 * 2, 2).reshape([5, 4, 2]);
      const [x, y] = [a.dataSync<'float32'>(), b.dataSync<'float32'>()];
      const expected = [0, 1].flatMap((i) =>
        [0, 1, 2, 3, 4].flatMap((j) =>
          product(x.subarray(i * 12, i * 12 + 12), y.subarray(j * 8, j * 8 + 8), [3, 4, 2], false, false),
        ),
      );
      close(tf.matMul(a, b).dataSync(), expected, 1e-6);
    });
  });

  it('refuses int32 as the backend does', () => {
    tf.tidy(() => {
      const a = tf.ones([2, 2], 'int32');
      assert.throws(
        () => tf.engine().runKernel('BatchMatMul', { a, b: a }, { transposeA: false, transposeB: false }),
        /float32/,
      );
    });
  });
});

describe('broadcastIndices', () => {
  it('names the matrix to read for each place of the batch', () => {
    assert.deepEqual(Array.from(broadcastIndices([], [])), [0]);
    assert.deepEqual(Array.from(broadcastIndices([3], [2, 3])), [0, 1, 2, 0, 1, 2]);
    assert.deepEqual(Array.from(broadcastIndices([2, 1], [2, 3])), [0, 0, 0, 1, 1, 1]);
  });
});

type Activation = 'linear' | 'relu' | 'relu6' | 'sigmoid' | 'elu' | 'leakyrelu' | 'prelu';

describe('fusedMatMul', () => {
  before(() => useEngine('wasm'));
  const [a, b, bias] = [
    [1, -2, 3, 4],
    [0.5, -1, 2, 1, 0, -3],
    [0.25, -0.5, 9],
  ] as const;
  const activations: Record<Activation, (x: number) => number> = {
    linear: (x) => x,
    relu: (x) => Math.max(0, x),
    relu6: (x) => Math.min(6, Math.max(0, x)),
    sigmoid: (x) => 1 / (1 + Math.exp(-x)),
    elu: (x) => (x > 0 ? x : Math.expm1(x)),
    leakyrelu: (x) => (x > 0 ? x : 0.3 * x),
    prelu: (x) => (x > 0 ? x : 0.1 * x),
  };

  for (const name of ['linear', 'relu', 'relu6', 'sigmoid', 'elu', 'leakyrelu', 'prelu'] as const) {
    const activate = activations[name];
    it(`adds the bias and applies ${name}, under any transposes`, () => {
      tf.tidy(() => {
        for (const [transposeA, transposeB] of [
          [false, false],
          [true, false],
          [false, true],
          [true, true],
        ] as const) {
          const x = new Float32Array(a);
          const y = new Float32Array(b);
          const out = tf.fused.matMul({
            a: tf.tensor2d(x, [2, 2]),
            b: tf.tensor2d(y, transposeB ? [3, 2] : [2, 3]),
            bias: tf.tensor1d([...bias]),
            preluActivationWeights: name === 'prelu' ? tf.scalar(0.1) : undefined!,
            activation: name,
            leakyreluAlpha: 0.3,
            transposeA,
            transposeB,
          });
          const sums = product(x, y, [2, 2, 3], transposeA, transposeB);
          close(
            out.dataSync(),
            sums.map((sum, i) => activate(sum + bias[i % 3]!)),
            1e-5,
          );
        }
      });
    });
  }
});
