import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { EngineError } from '../../../src/errors.ts';
import { compile } from '../../../src/engine/compile.ts';
import type { EngineName } from '../../../src/engine/engine.ts';
import { gruSequence } from '../../../src/engine/layers/gru-sequence.ts';
import { lstmSequence } from '../../../src/engine/layers/lstm-sequence.ts';
import type { RecurrentSequence } from '../../../src/engine/layers/recurrent-sequence.ts';
import { useEngine } from '../../../src/engine/use-engine.ts';
import { isInstalled } from '../../../src/engine/tensorflow/index.ts';
import { disposeTape } from '../dispose-tape.ts';

const [batch, steps, inputSize, size] = [2, 3, 2, 2];
const noise = (shape: number[], seed: number) => tf.randomUniform(shape, -1, 1, 'float32', seed);

/** The sum of a layer's outputs over x [B, T, I], its weights fixed. */
const sumOver = (sequence: RecurrentSequence, gates: number) => (x: tf.Tensor) =>
  sequence(
    x as tf.Tensor3D,
    noise([inputSize, gates * size], 1) as tf.Tensor2D,
    noise([size, gates * size], 2) as tf.Tensor2D,
    tf.zeros([gates * size]),
    { recurrentActivation: 'sigmoid' },
  ).outputs.sum();

const sequenceOfOnes = () => tf.ones([batch, steps, inputSize]);
type Step = (x: tf.Tensor) => tf.Tensor;
const numbers = (tensor: tf.Tensor) => Array.from(tensor.dataSync());

const isRefusal = (error: unknown) => {
  assert.ok(error instanceof EngineError, String(error));
  assert.match(error.message, /^a fused recurrent layer: expected a first derivative, .*not fused/);
  return true;
};

const engines: EngineName[] = ['cpu', 'wasm', ...((await isInstalled()) ? (['tensorflow'] as const) : [])];
for (const engine of engines) {
  describe(`second derivatives of fused recurrent layers on ${engine}`, () => {
    before(() => useEngine(engine));
    afterEach(disposeTape);

    for (const [kind, sequence, gates] of [
      ['LSTM', lstmSequence, 4],
      ['GRU', gruSequence, 3],
    ] as const) {
      for (const [how, run] of [
        ['', (step: Step) => step],
        [', compiled', (step: Step): Step => compile(step)],
      ] as const) {
        const total = sumOver(sequence, gates);
        const secondOf = (f: (x: tf.Tensor) => tf.Tensor) => (x: tf.Tensor) => tf.grad((at) => tf.grad(f)(at).sum())(x);

        it(`are refused for ${kind}${how}`, () => {
          tf.tidy(() => assert.throws(() => run(secondOf(total))(sequenceOfOnes()), isRefusal));
        });

        it(`are refused where only one of several paths goes through ${kind}${how}`, () => {
          const mixed = (x: tf.Tensor) => total(x.mul(2)).add(x.pow(3).sum());
          tf.tidy(() => assert.throws(() => run(secondOf(mixed))(sequenceOfOnes()), isRefusal));
        });

        it(`are right where none goes through ${kind}, whose gradient is a number there${how}`, () => {
          tf.tidy(() => {
            const x = sequenceOfOnes();
            const slope = tf.grad(total)(x);
            // d/dw sum(w³ f'(x)) = 3 w² f'(x)
            const step = (w: tf.Tensor) => tf.grad((at) => at.pow(3).mul(tf.grad(total)(sequenceOfOnes())).sum())(w);
            const [got, expected] = [numbers(run(step)(tf.fill(x.shape, 2))), numbers(slope.mul(12))];
            assert.ok(expected.some((value) => Math.abs(value) > 0.01));
            got.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 1e-4, `[${i}] ${value}`));
          });
        });
      }
    }
  });
}
