import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../../src/engine/layers/fuse.ts';
import { gruSequence } from '../../src/engine/layers/gru-sequence.ts';
import { lstmSequence } from '../../src/engine/layers/lstm-sequence.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { ShapeError } from '../../src/errors.ts';

const whole = (values: number[][]) => tf.tensor2d(values, undefined, 'int32');

/** The gradients of a recurrence over an empty batch, which all are zeros. */
const emptyGradients = (run: typeof lstmSequence, gates: number) =>
  tf.grads((x, kernel, recurrent, bias) =>
    run(x as tf.Tensor3D, kernel as tf.Tensor2D, recurrent as tf.Tensor2D, bias as tf.Tensor1D, {
      recurrentActivation: 'sigmoid',
    }).outputs.sum(),
  )([tf.ones([0, 5, 3]), tf.ones([3, gates * 2]), tf.ones([2, gates * 2]), tf.ones([gates * 2])]);

for (const engine of ['cpu', 'wasm'] as const) {
  describe(`edges of inputs on ${engine}`, () => {
    before(() => useEngine(engine));

    for (const dtype of ['int32', 'bool'] as const) {
      it(`fused layers take ${dtype} as the stock layers do`, () => {
        tf.tidy(() => {
          const input = tf.input({ shape: [5, 3], dtype });
          const kernelInitializer = tf.initializers.glorotUniform({ seed: 1 });
          const lstm = tf.layers.lstm({ units: 2, kernelInitializer, recurrentInitializer: 'ones' });
          const model = tf.model({ inputs: input, outputs: lstm.apply(input) as tf.SymbolicTensor });
          const answer = () => [...(model.predict(tf.ones([2, 5, 3], dtype)) as tf.Tensor).dataSync()];
          const expected = answer();
          fuse(model);
          answer().forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 1e-6));
          model.dispose();
        });
      });
    }

    it('einsum multiplies whole numbers', () => {
      tf.tidy(() => {
        const product = tf.einsum('ij,jk->ik', whole([[1, 2], [3, 4]]), whole([[5, 6], [7, 8]])); // prettier-ignore
        assert.deepEqual([product.dtype, [...product.dataSync()]], ['int32', [19, 22, 43, 50]]);
      });
    });

    it('a fused product spreads a bias of one number', () => {
      tf.tidy(() => {
        for (const bias of [tf.scalar(5), tf.tensor1d([5])]) {
          const sum = tf.fused.matMul({ a: tf.ones([2, 3]), b: tf.ones([3, 4]), bias });
          assert.deepEqual(
            [...sum.dataSync()],
            Array.from({ length: 8 }, () => 8),
          );
        }
      });
    });

    it('an empty batch has gradients of zeros', () => {
      tf.tidy(() => tf.zeros([4096]).div(0).dataSync()); // memory that a kernel gets again is not zero
      tf.tidy(() => {
        const lstm = emptyGradients(lstmSequence, 4);
        // TensorFlow.js' plain `split` fails for a gradient of no rows
        const gru = engine === 'cpu' ? [] : emptyGradients(gruSequence, 3);
        const all = [...lstm, ...gru];
        for (const gradient of all) assert.ok(gradient.dataSync().every((value) => value === 0));
      });
    });

    it('sequences without a step are refused', () => {
      tf.tidy(() =>
        assert.throws(
          () =>
            lstmSequence(tf.ones([2, 0, 3]), tf.ones([3, 8]), tf.ones([2, 8]), tf.ones([8]), {
              recurrentActivation: 'sigmoid',
            }),
          ShapeError,
        ),
      );
    });
  });
}
