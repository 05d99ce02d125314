import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { loadModel, saveModel } from '../../../src/model/files.ts';
import { again, cutModel } from '../../../src/model/pretrained/cut-model.ts';
import { imageDetails, setImageDetails } from '../../../src/model/pretrained/image-details.ts';
import { withHead } from '../../../src/model/pretrained/with-head.ts';
import { withNormalization } from '../../../src/model/pretrained/normalization.ts';
import { useTestEngine } from '../../test-engine.ts';
import { smallNetwork } from './small-network.ts';

const answer = (model: tf.LayersModel, x: tf.Tensor): Float32Array =>
  tf.tidy(() => (model.predict(x) as tf.Tensor).dataSync<'float32'>().slice());

const near = (got: ArrayLike<number>, expected: ArrayLike<number>, by = 1e-5) => {
  assert.equal(got.length, expected.length);
  for (let i = 0; i < got.length; i++)
    assert.ok(Math.abs(got[i]! - expected[i]!) < by, `${i}: ${got[i]} ${expected[i]}`);
};

describe('cutModel', () => {
  before(useTestEngine);

  it('gives two models that together answer what the whole does, at every block', () => {
    const before = tf.memory().numTensors;
    const model = smallNetwork();
    const x = tf.randomNormal([3, 8, 8, 3], 0, 1, 'float32', 7);
    const whole = answer(model, x);
    for (const layer of ['stem', 'block_0', 'block_1', 'features']) {
      const { trunk, tail } = cutModel(model, layer);
      const features = trunk.predict(x) as tf.Tensor;
      near(answer(tail, features), whole);
      features.dispose();
      tail.dispose();
    }
    near(answer(model, x), whole); // the layers outlive the tails
    model.dispose();
    x.dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  it('refuses a layer that something bypasses, and one that is not there', () => {
    const model = smallNetwork();
    assert.throws(() => cutModel(model, 'block_1_conv'), {
      code: 'ERR_MODEL',
      message: /`block_1_conv`, got one that bypasses it/,
    });
    assert.throws(() => cutModel(model, 'block_9'), {
      code: 'ERR_MODEL',
      message: /expected a layer `block_9` .* Choose one of its layers: /,
    });
    model.dispose();
  });

  it('lays the same layers out again', () => {
    const model = smallNetwork();
    const copy = again(model);
    const x = tf.ones([1, 8, 8, 3]);
    near(answer(copy, x), answer(model, x));
    copy.dispose();
    assert.equal(answer(model, x).length, 5);
    model.dispose();
    x.dispose();
  });
});

describe('withNormalization', () => {
  before(useTestEngine);

  it('takes pixels and turns them into what the network was trained on', () => {
    const before = tf.memory().numTensors;
    const bare = smallNetwork();
    setImageDetails(bare, { height: 8, width: 8, order: 'bgr', mean: [10, 20, 30], scale: [0.5, 0.25, 0.125] });
    const pixels = tf.randomUniform([2, 8, 8, 3], 0, 255, 'float32', 7);
    const expected = tf.tidy(() => {
      const [r, g, b] = tf.split(pixels, 3, -1);
      return answer(bare, tf.concat([b!.sub(10).mul(0.5), g!.sub(20).mul(0.25), r!.sub(30).mul(0.125)], -1));
    });
    const model = withNormalization(bare);
    near(answer(model, pixels), expected);
    assert.equal(imageDetails(model).takesPixels, true);
    assert.equal(withNormalization(model), model);
    assert.ok(!model.trainableWeights.some(({ originalName }) => originalName.startsWith('normalize')));
    model.dispose();
    pixels.dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  it('refuses other means and scales than one a channel or one for all', () => {
    const bare = smallNetwork();
    const refused = { code: 'ERR_OPTIONS', message: /`(mean|scale)` must be one number, or one a channel/ };
    assert.throws(() => setImageDetails(bare, { height: 8, width: 8, mean: [127, 127] }), refused);
    assert.throws(() => setImageDetails(bare, { height: 8, width: 8, scale: [1, 1] }), refused);
    assert.throws(() => setImageDetails(bare, { height: 8, width: 8, channels: 1, scale: [1, 1, 1] }), refused);
    bare.dispose();
  });

  it('refuses a model with another input size', () => {
    const bare = smallNetwork();
    setImageDetails(bare, { height: 9, width: 8 });
    assert.throws(() => withNormalization(bare), {
      code: 'ERR_MODEL',
      message: /expected an input of \[9, 8, 3\] .* got \[8, 8, 3\]/,
    });
    bare.dispose();
  });
});

/** A network whose five classes have names. */
function named(model: tf.LayersModel): tf.LayersModel {
  setImageDetails(model, { ...imageDetails(model), classNames: ['cat', 'stone', 'dog', 'hen', 'cup'] });
  return model;
}

describe('withHead', () => {
  before(useTestEngine);

  it('puts a seeded classifier of the new classes onto the features, and disposes the old one', () => {
    const before = tf.memory().numTensors;
    const heads = [7, 7, 8].map((seed) => {
      const model = withHead(smallNetwork(), { classes: ['cat', 'dog', 'cow'], seed });
      const head = model.getLayer('head').getWeights()[0]!.dataSync().slice();
      assert.deepEqual(model.outputs[0]!.shape, [null, 3]);
      assert.deepEqual(imageDetails(model).classNames, ['cat', 'dog', 'cow']);
      assert.equal(imageDetails(model).features, 'features');
      model.dispose();
      return [...head];
    });
    assert.deepEqual(heads[0], heads[1]);
    assert.notDeepEqual(heads[0], heads[2]);
    assert.equal(tf.memory().numTensors, before);
  });

  it('stands on what the last layer with weights takes where nothing is said, averaged over the picture', () => {
    const image = tf.input({ shape: [4, 4, 3] });
    const maps = tf.layers.conv2d({ filters: 6, kernelSize: 1, name: 'maps' }).apply(image);
    const scores = tf.layers.conv2d({ filters: 9, kernelSize: 1, name: 'scores' }).apply(maps);
    const pooled = tf.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(scores) as tf.SymbolicTensor;
    const model = withHead(tf.model({ inputs: image, outputs: pooled }), { classes: 2, dropout: 0 });
    assert.deepEqual(model.getLayer('head').getWeights()[0]!.shape, [6, 2]);
    model.dispose();
  });

  it('stands on layers of several depths, each normalised to the same length', () => {
    const made = withHead(smallNetwork(), { classes: 3, features: ['block_0', 'features'], dropout: 0, seed: 7 });
    assert.equal(imageDetails(made).features, 'head_features');
    const { trunk, tail } = cutModel(made, 'head_features');
    const x = tf.randomUniform([2, 8, 8, 3], 0, 255, 'float32', 5);
    const layers = tf.model({
      inputs: made.inputs,
      outputs: ['block_0', 'features'].map((name) => made.getLayer(name).output as tf.SymbolicTensor),
    }); // one output each
    const [maps, last] = (layers.predict(x) as tf.Tensor[]).map((tensor) => tensor.arraySync()) as [
      number[][][][],
      number[][],
    ];
    const [got] = (trunk.predict(x) as tf.Tensor2D).arraySync();
    const average = Array.from(
      { length: 6 },
      (_, c) => maps[0]!.flat().reduce((sum, pixel) => sum + pixel[c]!, 0) / 64,
    );
    const expected = [average, last[0]!].flatMap((part) => {
      const mean = part.reduce((sum, value) => sum + value, 0) / 6;
      const variance = part.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 6;
      return part.map((value) => ((8 / Math.sqrt(12)) * (value - mean)) / Math.sqrt(variance + 1e-3));
    });
    expected.forEach((value, i) => assert.ok(Math.abs(got![i]! - value) < 1e-3, `${i}: ${got![i]} ${value}`));
    assert.deepEqual(made.getLayer('head').getWeights()[0]!.shape, [12, 3]);
    tail.dispose();
    x.dispose();
    made.dispose();
  });

  it('stands on what the old classifier says of the new classes, which is never trained again', async () => {
    const before = tf.memory().numTensors;
    const made = withHead(named(smallNetwork()), {
      classes: ['pet', 'stone', 'bird'],
      features: 'features',
      oldClasses: { bird: ['hen'], pet: ['cat', 'dog'] }, // nothing is known of stones; ordered as `classes`
      dropout: 0,
      seed: 7,
    });
    assert.equal(imageDetails(made).features, 'head_features');
    assert.deepEqual(imageDetails(made).classNames, ['pet', 'stone', 'bird']);
    const x = tf.randomUniform([2, 8, 8, 3], 0, 255, 'float32', 5);
    const old = smallNetwork();
    const [cat, , dog, hen] = [...answer(old, x)] as [number, number, number, number];
    const seen = [1, 10, 100].flatMap((scale) => [cat + dog, hen].map((p) => Math.tanh(scale * p)));
    const mean = seen.reduce((sum, value) => sum + value, 0) / 6;
    const variance = seen.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 6;
    const expected = seen.map((value) => ((4 / Math.sqrt(6)) * (value - mean)) / Math.sqrt(variance + 1e-3));
    const { trunk, tail } = cutModel(made, 'head_features');
    assert.deepEqual(trunk.outputs[0]!.shape, [null, 6 + 6]);
    const got = answer(trunk, x);
    expected.forEach((value, i) => assert.ok(Math.abs(got[6 + i]! - value) < 1e-3, `${i}: ${got[6 + i]} ${value}`));
    const trained = new Set(made.trainableWeights.map(({ originalName }) => originalName));
    for (const fixed of ['classes/kernel', 'classes/bias', 'head_old_classes/kernel']) assert.ok(!trained.has(fixed));
    assert.ok(trained.has('block_1_conv/kernel'));

    const folder = await mkdtemp(join(tmpdir(), 'taustream-head-'));
    await saveModel(made, folder);
    const loaded = await loadModel(folder);
    assert.deepEqual(answer(loaded, x), answer(made, x));
    await rm(folder, { recursive: true });
    x.dispose();
    for (const model of [tail, made, old, loaded]) model.dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  it('refuses old classes that neither classifier has', () => {
    const model = named(smallNetwork());
    const classes = ['pet', 'bird'];
    for (const [oldClasses, given] of [
      [{ fish: ['cat'] }, classes],
      [{}, classes],
      [{ pet: ['cat'] }, 2],
      [{ pet: [] }, classes],
    ] as const)
      assert.throws(() => withHead(model, { classes: given, oldClasses }), { code: 'ERR_OPTIONS' });
    assert.throws(() => withHead(model, { classes, oldClasses: { pet: ['cat', 'lynx'] } }), {
      code: 'ERR_MODEL',
      message: /expected names of its 5 classes in `oldClasses\.pet`, got `lynx`/,
    });
    const nameless = smallNetwork();
    assert.throws(() => withHead(nameless, { classes, oldClasses: { pet: ['cat'] } }), {
      code: 'ERR_MODEL',
      message: /expected a classifier with a name for each output.* got 0 names for \[any, 5\]/,
    });
    model.dispose();
    nameless.dispose();
  });

  it('refuses a layer that is not there', () => {
    const model = smallNetwork();
    assert.throws(() => withHead(model, { classes: 2, features: ['features'] }), { code: 'ERR_OPTIONS' });
    assert.throws(() => withHead(model, { classes: 2, features: ['features', 'top'] }), {
      code: 'ERR_MODEL',
      message: /a layer `top`/,
    });
    assert.throws(() => withHead(model, { classes: 2, features: 'top' }), {
      code: 'ERR_MODEL',
      message: /a layer `top`/,
    });
    assert.throws(() => withHead(model, { classes: 1 }), { code: 'ERR_OPTIONS' });
    model.dispose();
  });
});
