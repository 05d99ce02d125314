import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../../src/engine/layers/fuse.ts';
import { pixelLstm, pixelOrder } from '../../src/model/pixel-lstm.ts';
import { assertClose, itBehavesLikeANetwork, outputOf, trainedParameters } from './network-suite.ts';

const small = { inputShape: [8, 8, 2] as [number, number, number], shrink: 2, units: 5, classes: 3 };

describe('pixelLstm', () => {
  itBehavesLikeANetwork({
    make: (options) => pixelLstm({ ...small, ...options }),
    batch: () => tf.randomUniform([4, 8, 8, 2], 0, 1, 'float32', 1),
    classes: 3,
  });

  it('reads the means of squares one by one in the order of its seed', () => {
    const model = pixelLstm({ ...small, order: 9, seed: 1 });
    const image = tf.randomUniform<tf.Rank.R4>([1, 8, 8, 2], 0, 1, 'float32', 1);
    const values = image.arraySync()[0]!;
    const sequence = pixelOrder(16, 9).map((place) => {
      const [top, left] = [2 * Math.floor(place / 4), 2 * (place % 4)];
      const square = [
        values[top]![left]!,
        values[top]![left + 1]!,
        values[top + 1]![left]!,
        values[top + 1]![left + 1]!,
      ];
      return [0, 1].map((channel) => square.reduce((sum, pixel) => sum + pixel[channel]! / 4, 0));
    });
    const expected = tf.tidy(() => {
      const state = model.getLayer('lstm').apply(tf.tensor3d([sequence])) as tf.Tensor;
      return Array.from((model.getLayer('classes').apply(state) as tf.Tensor).dataSync());
    });
    assertClose(outputOf(model, image), expected);
    fuse(model);
    assertClose(outputOf(model, image), expected);
    for (const thing of [model, image]) thing.dispose();
  });

  it('keeps its order when the weights have another seed', () => {
    const [one, other] = [pixelLstm({ ...small, seed: 1 }), pixelLstm({ ...small, seed: 2 })];
    const orderOf = (model: tf.LayersModel) => Array.from(model.getLayer('order').getWeights()[0]!.dataSync());
    assert.deepEqual(orderOf(one), orderOf(other));
    assert.notDeepEqual(pixelOrder(16, 0), pixelOrder(16, 1));
    assert.deepEqual(
      pixelOrder(16, 1).toSorted((a, b) => a - b),
      pixelOrder(16, 'rows'),
    );
    for (const model of [one, other]) model.dispose();
  });

  it("trains the paper's 67,850 parameters and not the order", () => {
    const model = pixelLstm({ seed: 1 }); // 4 · 128 · (1 + 128 + 1) + 10 · 129
    assert.equal(trainedParameters(model), 67_850);
    assert.deepEqual(model.getLayer('lstm').inboundNodes[0]!.inputShapes, [[null, 784, 1]]);
    model.dispose();
  });

  it('refuses to shrink by what does not divide, and too many pixels', () => {
    assert.throws(() => pixelLstm({ shrink: 3, seed: 1 }), {
      code: 'ERR_OPTIONS',
      message: /^pixelLstm\(\): `shrink` must divide/,
    });
    assert.throws(() => pixelLstm({ inputShape: [224, 224, 3], seed: 1 }), { code: 'ERR_OPTIONS', message: /4096/ });
  });
});
