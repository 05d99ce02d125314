import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { smallCnn } from '../../src/model/small-cnn.ts';
import { itBehavesLikeANetwork, trainedParameters } from './network-suite.ts';

describe('smallCnn', () => {
  itBehavesLikeANetwork({
    make: (options) => smallCnn({ inputShape: [8, 8, 2], filters: [3, 4], units: 5, classes: 3, ...options }),
    batch: () => tf.randomNormal([4, 8, 8, 2], 0, 1, 'float32', 1),
    classes: 3,
  });

  it('halves the image by strides, or by maxima', () => {
    const [strides, maxima] = [smallCnn({ seed: 1 }), smallCnn({ halvedBy: 'maximum', seed: 1 })];
    assert.deepEqual(strides.getLayer('flat').inboundNodes[0]!.inputShapes, [[null, 7, 7, 32]]);
    assert.deepEqual(maxima.getLayer('flat').inboundNodes[0]!.inputShapes, [[null, 5, 5, 32]]);
    assert.deepEqual([trainedParameters(strides), trainedParameters(maxima)], [105_866, 56_714]);
    for (const model of [strides, maxima]) model.dispose();
  });

  it('refuses options that are unknown or out of range', () => {
    assert.throws(() => smallCnn({ filters: [], seed: 1 }), {
      code: 'ERR_OPTIONS',
      message: /^smallCnn\(\): `filters`/,
    });
  });
});
