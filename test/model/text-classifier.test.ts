import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { fuse } from '../../src/engine/layers/fuse.ts';
import { textClassifier } from '../../src/model/text-classifier.ts';
import { assertClose, itBehavesLikeANetwork, outputOf, trainedParameters } from './network-suite.ts';

const small = { vocabularySize: 11, embedding: 3, units: 4, classes: 2 };
const tokens = (rows: number[][]) => tf.tensor2d(rows, [rows.length, rows[0]!.length], 'int32');

describe('textClassifier', () => {
  itBehavesLikeANetwork({
    make: (options) => textClassifier({ ...small, ...options }),
    batch: () =>
      tokens([
        [1, 2, 3],
        [10, 9, 8],
        [4, 5, 0],
      ]),
    classes: 2,
  });

  for (const fused of [false, true])
    it(`sees nothing of what fills up a shorter text, ${fused ? 'fused' : 'as a stock model'}`, () => {
      const model = textClassifier({ ...small, layers: 2, seed: 1 });
      if (fused) assert.deepEqual(fuse(model).left, []);
      const [short, long, together] = [
        tokens([[3, 4]]),
        tokens([[5, 1, 9, 2]]),
        tokens([
          [3, 4, 0, 0],
          [5, 1, 9, 2],
        ]),
      ];
      assertClose(outputOf(model, together), [...outputOf(model, short), ...outputOf(model, long)]);
      for (const thing of [model, short, long, together]) thing.dispose();
    });

  it('reads token 0 like any other when nothing is filled up', () => {
    const model = textClassifier({ ...small, padded: false, seed: 1 });
    const [short, filled] = [tokens([[3, 4]]), tokens([[3, 4, 0]])];
    assert.notDeepEqual(outputOf(model, short), outputOf(model, filled));
    for (const thing of [model, short, filled]) thing.dispose();
  });

  it('has the parameters that its docstring says', () => {
    const model = textClassifier({ vocabularySize: 257, classes: 2, seed: 1 });
    assert.equal(trainedParameters(model), 257 * 64 + 4 * 128 * (64 + 128 + 1) + 2 * 129);
    model.dispose();
  });

  it('refuses options that are unknown or out of range', () => {
    assert.throws(() => textClassifier({ ...small, vocabularySize: 0, seed: 1 }), {
      code: 'ERR_OPTIONS',
      message: /^textClassifier\(\): `vocabularySize`/,
    });
  });
});
