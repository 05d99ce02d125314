import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { EngineError, OptionsError } from '../../src/errors.ts';
import { fuse } from '../../src/engine/layers/fuse.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { isInstalled } from '../../src/engine/tensorflow/index.ts';

const engines = ['cpu', 'wasm', ...((await isInstalled()) ? (['tensorflow'] as const) : [])] as const;

const isEngineError = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EngineError, String(error));
  assert.match(error.message, pattern);
  return true;
};

describe('useEngine with debug', () => {
  let tensors = 0;
  before(() => useEngine('wasm'));
  beforeEach(() => {
    tensors = tf.memory().numTensors;
  });
  afterEach(async () => {
    assert.equal(tf.memory().numTensors, tensors);
    await useEngine('wasm');
  });

  for (const name of engines) {
    it(`names the operation that gives NaN, and the place: ${name}`, async () => {
      await useEngine(name, { debug: true });
      const expected =
        /^debug: Log\(\[2\] float32\): expected numbers, got NaN in 1 of 2 results \(at .*debug\.test\.ts:\d+/u;
      assert.throws(() => tf.tidy(() => tf.log(tf.tensor1d([-1, 1]))), isEngineError(expected));
    });

    it(`names it within a compiled step and a gradient: ${name}`, async () => {
      const engine = await useEngine(name, { debug: true });
      const step = engine.compile((x: tf.Tensor) => tf.grad((at: tf.Tensor) => at.sqrt().sum())(x));
      const inner = engine.compile((x: tf.Tensor) => x.sqrt());
      tf.tidy(() => {
        assert.deepEqual(Array.from(step(tf.tensor1d([4, 1])).dataSync()), [0.25, 0.5]);
        assert.throws(() => inner(tf.tensor1d([-1])), isEngineError(/^debug: Sqrt\(/u));
      });
    });

    it(`tells NaN that came with the data: ${name}`, async () => {
      await useEngine(name, { debug: true });
      const expected = /^debug: \w+\(\[2\] float32, \[2\] float32\): expected numbers, got NaN in its input `a`.*data/u;
      assert.throws(() => tf.tidy(() => tf.mul(tf.tensor1d([NaN, 1]), tf.tensor1d([1, 1]))), isEngineError(expected));
    });

    it(`lets a quotient pass that is thrown away: ${name}`, async () => {
      await useEngine(name, { debug: true });
      tf.tidy(() =>
        assert.deepEqual(Array.from(tf.divNoNan(tf.tensor1d([0, 1]), tf.tensor1d([0, 2])).dataSync()), [0, 0.5]),
      );
    });

    it(`looks at recurrent layers that were made fast: ${name}`, async () => {
      await useEngine(name, { debug: true });
      const layer = tf.layers.lstm({ units: 2, recurrentActivation: 'sigmoid', inputShape: [3, 2] });
      const model = tf.sequential({ layers: [layer] });
      fuse(model);
      tf.tidy(() => {
        assert.equal((model.apply(tf.ones([1, 3, 2])) as tf.Tensor).size, 2);
        const expected = /expected numbers, got NaN in its input/u;
        assert.throws(
          () =>
            model.apply(
              tf.tensor3d(
                Array.from({ length: 6 }, () => NaN),
                [1, 3, 2],
              ),
            ),
          isEngineError(expected),
        );
      });
      model.dispose();
    });

    it(`is off again after the next start: ${name}`, async () => {
      await useEngine(name, { debug: true });
      await useEngine(name);
      tf.tidy(() => assert.ok(Number.isNaN(tf.log(tf.tensor1d([-1])).dataSync()[0])));
    });
  }

  it('is refused for webgpu, and where it is no yes or no', async () => {
    await assert.rejects(useEngine('webgpu', { debug: true }), isEngineError(/`debug` to be off.*`wasm`/u));
    // @ts-expect-error: the type refuses it too
    await assert.rejects(useEngine('wasm', { debug: 'yes' }), OptionsError);
  });
});
