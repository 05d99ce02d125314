import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { AugmentOptions, augmentPixels, augmentRng } from '../../../src/corpus/augment/augment.ts';
import { cutModel } from '../../../src/model/pretrained/cut-model.ts';
import { frozenFeatures } from '../../../src/train/fine-tuning/frozen-features.ts';
import { useTestEngine } from '../../test-engine.ts';
import { classifier, colours } from './pictures.ts';

describe('frozenFeatures', () => {
  before(useTestEngine);

  const featuresOf = (trunk: tf.LayersModel, pixels: ArrayLike<number>) =>
    tf.tidy(() => [...(trunk.predict(tf.tensor4d(Array.from(pixels), [1, 8, 8, 3])) as tf.Tensor).dataSync()]);
  const near = (got: ArrayLike<number>, expected: readonly number[]) => {
    assert.equal(got.length, expected.length);
    for (const [i, value] of expected.entries())
      assert.ok(Math.abs(got[i]! - value) < 1e-4, `${i}: ${got[i]} ${value}`);
  };

  it('keeps what the trunk makes of each sample, and of its augmentations, decoded once', async () => {
    const { corpus, read } = colours(10);
    const model = classifier();
    const { trunk, tail } = cutModel(model, 'features');
    const augment = AugmentOptions.parse({ flip: 0.5, crop: { padding: 2 } });
    const before = tf.memory().numTensors;
    await using features = await frozenFeatures(corpus, trunk, {
      memoryBytes: 2 ** 20,
      batchSize: 4,
      views: 3,
      seed: 7,
      augment,
    });
    assert.equal(tf.memory().numTensors, before);
    assert.deepEqual([read(), features.length], [10, 30]);
    const kept = new Map<string, { x: Float32Array; y: unknown }>();
    for await (const { id, x, y } of features.samples({ seed: 0, epochs: 1 }))
      kept.set(id, { x: x as Float32Array, y });
    for await (const { id, x, y } of corpus.samples({ seed: 0, epochs: 1 })) {
      near(kept.get(id)!.x, featuresOf(trunk, x as Uint8Array));
      for (const view of [1, 2]) {
        const changed = augmentPixels(x as Uint8Array, [8, 8, 3], augment, augmentRng({ seed: 7, epoch: view }, id));
        near(kept.get(`${id}~${view}`)!.x, featuresOf(trunk, changed));
        assert.equal(kept.get(`${id}~${view}`)!.y, y);
      }
    }
    tail.dispose();
    model.dispose();
  });

  it('takes further passes of a corpus that augments itself for views', async () => {
    const { corpus, read } = colours(6);
    const model = classifier();
    const { trunk, tail } = cutModel(model, 'features');
    await using features = await frozenFeatures(corpus, trunk, { memoryBytes: 2 ** 20, batchSize: 4, views: 2 });
    assert.deepEqual([read(), features.length], [12, 12]);
    const ids = [];
    for await (const { id } of features.samples({ seed: 0, epochs: 1, shuffle: false })) ids.push(id);
    assert.deepEqual([ids[0], ids[5], ids[6], ids[11]], ['colours:0', 'colours:5', 'colours:0~1', 'colours:5~1']);
    tail.dispose();
    model.dispose();
  });

  it('refuses an empty corpus, and one that does not fit the network', async () => {
    const model = classifier();
    const { trunk, tail } = cutModel(model, 'features');
    const options = { memoryBytes: 2 ** 20, batchSize: 4 };
    await assert.rejects(frozenFeatures(colours(0).corpus, trunk, options), {
      code: 'ERR_CORPUS',
      message: /got none/,
    });
    const wide = {
      ...colours(4).corpus,
      schema: { x: { type: 'uint8', shape: [9, 8, 3] }, y: { type: 'int32', shape: [] } },
    } as const;
    await assert.rejects(frozenFeatures(wide, trunk, options), {
      code: 'ERR_SHAPE',
      message: /expected samples of shape \[8, 8, 3\], got column `x` of \[9, 8, 3\]/,
    });
    tail.dispose();
    model.dispose();
  });
});
