import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../../src/engine/layers/fuse.ts';
import { sequenceClassifier } from '../../src/model/sequence-classifier.ts';
import { assertClose, itBehavesLikeANetwork, outputOf, trainedParameters } from './network-suite.ts';

const small = { features: 2, classes: 3, units: 4, layers: 2 };

describe('sequenceClassifier', () => {
  itBehavesLikeANetwork({
    make: (options) => sequenceClassifier({ ...small, ...options }),
    batch: () => tf.randomNormal([4, 6, 2], 0, 1, 'float32', 1),
    classes: 3,
  });

  for (const fused of [false, true])
    it(`sees nothing of what fills up a shorter series, ${fused ? 'fused' : 'as a stock model'}`, () => {
      const model = sequenceClassifier({ ...small, padding: 0, dropout: 0.5, seed: 1 });
      if (fused) assert.deepEqual(fuse(model).left, []);
      const [short, long] = [
        [1, -2, 3, 0.5], // two steps
        [2, 1, 0, 4, -1, 1, 0.5, 2], // four, one of them with a 0
      ];
      const alone = [tf.tensor3d(short, [1, 2, 2]), tf.tensor3d(long, [1, 4, 2])];
      const together = tf.tensor3d([...short, 0, 0, 0, 0, ...long], [2, 4, 2]);
      assertClose(
        outputOf(model, together),
        alone.flatMap((x) => outputOf(model, x)),
      );
      for (const thing of [model, ...alone, together]) thing.dispose();
    });

  it('sees every step without padding', () => {
    const model = sequenceClassifier({ ...small, seed: 1 });
    const [x, filled] = [tf.tensor3d([1, 2, 3, 4], [1, 2, 2]), tf.tensor3d([1, 2, 3, 4, 0, 0], [1, 3, 2])];
    assert.notDeepEqual(outputOf(model, x), outputOf(model, filled));
    for (const thing of [model, x, filled]) thing.dispose();
  });

  it('reads several steps at once with `patch`', () => {
    const patched = sequenceClassifier({ features: 2, steps: 6, patch: 3, classes: 3, units: 4, seed: 1 });
    const plain = sequenceClassifier({ features: 6, classes: 3, units: 4, seed: 1 });
    const x = tf.randomNormal([2, 6, 2], 0, 1, 'float32', 1);
    const joined = x.reshape([2, 2, 6]);
    assertClose(outputOf(patched, x), outputOf(plain, joined));
    for (const thing of [patched, plain, x, joined]) thing.dispose();
  });

  it('has the parameters that its docstring says', () => {
    const model = sequenceClassifier({ features: 12, classes: 9, units: 64, seed: 1 });
    assert.equal(trainedParameters(model), 4 * 64 * (12 + 64 + 1) + 9 * 65);
    model.dispose();
  });

  it('refuses a patch that does not divide the steps, or without steps', () => {
    const message = /^sequenceClassifier\(\): `patch` must divide `steps`/;
    assert.throws(() => sequenceClassifier({ ...small, steps: 7, patch: 2, seed: 1 }), {
      code: 'ERR_OPTIONS',
      message,
    });
    assert.throws(() => sequenceClassifier({ ...small, patch: 2, seed: 1 }), { code: 'ERR_OPTIONS', message });
  });
});
