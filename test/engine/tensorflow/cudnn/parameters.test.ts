import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { packParameters, unpackParameters } from '../../../../src/engine/tensorflow/cudnn/parameters.ts';

describe('packParameters', () => {
  before(() => tf.setBackend('cpu'));

  it('lays gates, then rows, then columns one after another, and the bias behind zeros', () => {
    tf.tidy(() => {
      // a number tells where it comes from: hundreds for the row of the kernel, then gate and unit
      const named = (rows: number, sign: number) =>
        tf.tensor2d(
          Array.from({ length: rows }, (_, row) =>
            [10, 11, 20, 21, 30, 31, 40, 41].map((column) => sign * (100 * (row + 1) + column)),
          ),
        );
      const bias = tf.tensor1d([10, 11, 20, 21, 30, 31, 40, 41]);
      const packed = packParameters({ kernel: named(3, 1), recurrentKernel: named(2, -1), bias });
      // prettier-ignore
      assert.deepEqual([...packed.dataSync()], [
        110, 210, 310, 111, 211, 311, // W_i: unit 0 by the inputs, unit 1 by the inputs
        120, 220, 320, 121, 221, 321, // W_f
        130, 230, 330, 131, 231, 331, // W_c
        140, 240, 340, 141, 241, 341, // W_o
        -110, -210, -111, -211, -120, -220, -121, -221, -130, -230, -131, -231, -140, -240, -141, -241, // R
        0, 0, 0, 0, 0, 0, 0, 0,
        10, 11, 20, 21, 30, 31, 40, 41,
      ]);
    });
  });
});

describe('unpackParameters', () => {
  it('gives back what was packed', () => {
    tf.tidy(() => {
      const kernel = tf.range(0, 24).as2D(3, 8);
      const recurrentKernel = tf.range(100, 116).as2D(2, 8);
      const bias = tf.range(200, 208).as1D();
      const unpacked = unpackParameters(packParameters({ kernel, recurrentKernel, bias }), 3, 2);
      assert.deepEqual(unpacked.kernel.arraySync(), kernel.arraySync());
      assert.deepEqual(unpacked.recurrentKernel.arraySync(), recurrentKernel.arraySync());
      assert.deepEqual(unpacked.bias.arraySync(), bias.arraySync());
    });
  });
});
