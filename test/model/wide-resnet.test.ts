import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { wideResnet } from '../../src/model/wide-resnet.ts';
import { itBehavesLikeANetwork, outputOf, trainedParameters } from './network-suite.ts';

const small = { depth: 10, width: 1, inputShape: [8, 8, 3], classes: 4 } as const;

describe('wideResnet', () => {
  itBehavesLikeANetwork({
    make: (options) => wideResnet({ ...small, inputShape: [8, 8, 3], ...options }),
    batch: () => tf.randomNormal([4, 8, 8, 3], 0, 1, 'float32', 1),
    classes: 4,
  });

  it('has as many parameters as are published', () => {
    // Table 4 and section 3 of arXiv:1605.07146: 0.6 M, 1.5 M, 2.2 M; exactly, those of the authors' PyTorch code.
    const published = [
      [40, 1, 563_930],
      [28, 2, 1_467_610],
      [40, 2, 2_243_546],
    ] as const;
    for (const [depth, width, count] of published) {
      const model = wideResnet({ depth, width, seed: 1 });
      assert.equal(trainedParameters(model), count, `WRN-${depth}-${width}`);
      assert.equal(
        model.layers.filter((layer) => layer.getClassName() === 'Conv2D').length,
        depth - 4 + 1 + (width > 1 ? 3 : 2),
      );
      model.dispose();
    }
  });

  it('halves the image in the second and the third group', () => {
    const model = wideResnet({ seed: 1 });
    const shapeAfter = (name: string) => model.getLayer(name).outputShape.slice(1);
    assert.deepEqual(shapeAfter('group1_block4_add'), [32, 32, 32]);
    assert.deepEqual(shapeAfter('group2_block4_add'), [16, 16, 64]);
    assert.deepEqual(shapeAfter('group3_block4_add'), [8, 8, 128]);
    model.dispose();
  });

  it('adds λ/2 ‖W‖² of every kernel to the loss, and of nothing else', () => {
    const model = wideResnet({ ...small, inputShape: [8, 8, 3], weightDecay: 0.5, seed: 1 });
    const convolutions = model.layers.filter((layer) => layer.getClassName() === 'Conv2D');
    const expected = convolutions.reduce((sum, layer) => {
      const kernel = Array.from(layer.getWeights()[0]!.dataSync());
      return sum + kernel.reduce((own, value) => own + 0.25 * value * value, 0);
    }, 0);
    const penalties = tf.tidy(() => {
      const losses = (model as unknown as { calculateLosses(): tf.Scalar[] }).calculateLosses(); // not in tfjs' types
      return losses.map((loss) => loss.dataSync()[0]!);
    });
    assert.equal(penalties.length, convolutions.length);
    assert.ok(Math.abs(penalties.reduce((sum, value) => sum + value, 0) / expected - 1) < 1e-5);
    model.dispose();
  });

  it('takes pixels from 0 to 255 as it takes the same ones normalised', () => {
    const normalise = { mean: 120, deviation: 60 };
    const raw = wideResnet({ ...small, inputShape: [8, 8, 3], normalise, seed: 1 });
    const plain = wideResnet({ ...small, inputShape: [8, 8, 3], seed: 1 });
    const pixels = tf.randomUniform([2, 8, 8, 3], 0, 255, 'float32', 1);
    const normalised = tf.tidy(() => pixels.sub(120).div(60));
    for (const [i, value] of outputOf(raw, pixels).entries())
      assert.ok(Math.abs(value - outputOf(plain, normalised)[i]!) < 1e-5);
    for (const thing of [raw, plain, pixels, normalised]) thing.dispose();
  });

  it('refuses a depth that is no 6 n + 4', () => {
    assert.throws(() => wideResnet({ depth: 27, seed: 1 }), {
      code: 'ERR_OPTIONS',
      message: /^wideResnet\(\): `depth` must be 6 n \+ 4/,
    });
    assert.throws(() => wideResnet({ depth: 4, seed: 1 }), { code: 'ERR_OPTIONS', message: /depth/ });
    const misspelt = { seed: 1, widht: 2 };
    assert.throws(() => wideResnet(misspelt), { code: 'ERR_OPTIONS', message: /widht/ });
  });
});
