import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { resnet50 } from '../../src/model/resnet50.ts';
import { outputOf, trainedParameters } from './network-suite.ts';

describe('resnet50', () => {
  it("has the layers, in name and order, and the parameters of Keras' application", async () => {
    await tf.setBackend('cpu');
    const before = tf.memory().numTensors;
    const model = resnet50({ seed: 1 });
    assert.equal(model.countParams(), 25_636_712);
    assert.equal(trainedParameters(model), 25_583_592);
    assert.deepEqual(
      model.layers.slice(0, 20).map(({ name }) => name),
      (
        'image conv1_pad conv1_conv conv1_bn conv1_relu pool1_pad pool1_pool ' +
        'conv2_block1_1_conv conv2_block1_1_bn conv2_block1_1_relu ' +
        'conv2_block1_2_conv conv2_block1_2_bn conv2_block1_2_relu ' +
        'conv2_block1_0_conv conv2_block1_3_conv conv2_block1_0_bn conv2_block1_3_bn ' +
        'conv2_block1_add conv2_block1_out conv2_block2_1_conv'
      ).split(' '),
    );
    assert.deepEqual(model.getLayer('conv5_block3_out').outputShape, [null, 7, 7, 2048]);
    assert.equal(model.layers.filter((layer) => layer.getClassName() === 'Conv2D').length, 53);
    model.dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  it('classifies images of another size into other classes', async () => {
    await tf.setBackend('cpu');
    const before = tf.memory().numTensors;
    const model = resnet50({ inputShape: [32, 32, 1], classes: 3, seed: 1 });
    const x = tf.randomUniform([1, 32, 32, 1], 0, 1, 'float32', 1);
    const output = outputOf(model, x);
    assert.equal(output.length, 3);
    assert.ok(Math.abs(output.reduce((sum, p) => sum + p, 0) - 1) < 1e-5);
    for (const thing of [model, x]) thing.dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  it('refuses options that are unknown or out of range', () => {
    assert.throws(() => resnet50({ classes: 0, seed: 1 }), {
      code: 'ERR_OPTIONS',
      message: /^resnet50\(\): `classes`/,
    });
  });
});
