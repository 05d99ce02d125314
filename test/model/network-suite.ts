import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';

/** A network of the zoo as tests see it. */
export interface NetworkCase {
  make(this: void, options: { seed: number; logits?: boolean }): tf.LayersModel;
  /** A batch for it; owned by the caller. */
  batch(this: void): tf.Tensor;
  readonly classes: number;
}

export const weightsOf = (model: tf.LayersModel): number[][] =>
  model.weights.map((weight) => Array.from(weight.read().dataSync()));

/** Numbers in a model's trained weights. */
export const trainedParameters = (model: tf.LayersModel): number =>
  model.trainableWeights.reduce((sum, { shape }) => sum + tf.util.sizeFromShape(shape as number[]), 0);

/** What a model gives for one batch. */
export const outputOf = (model: tf.LayersModel, x: tf.Tensor): number[] =>
  tf.tidy(() => Array.from((model.predict(x) as tf.Tensor).dataSync()));

export const assertClose = (found: readonly number[], expected: readonly number[], tolerance = 1e-6): void => {
  assert.equal(found.length, expected.length);
  for (const [i, value] of found.entries())
    assert.ok(Math.abs(value - expected[i]!) < tolerance, `number ${i}: ${value}, expected ${expected[i]}`);
};

/** What holds for every network: seeded, freed, probabilities or logits, trainable by its own loss. */
export function itBehavesLikeANetwork({ make, batch, classes }: NetworkCase): void {
  let before: number;
  beforeEach(async () => {
    await tf.setBackend('cpu');
    before = tf.memory().numTensors;
  });
  afterEach(() => assert.equal(tf.memory().numTensors, before));

  it('has the same weights for the same seed, and others for another', () => {
    const [first, again, other] = [make({ seed: 3 }), make({ seed: 3 }), make({ seed: 4 })];
    assert.deepEqual(weightsOf(first), weightsOf(again));
    const isDrawn = (values: readonly number[]) => values.some((value) => value !== 0 && value !== 1);
    const others = weightsOf(other);
    const drawn = weightsOf(first).filter((values) => isDrawn(values));
    assert.ok(drawn.length >= 2);
    for (const [i, values] of weightsOf(first).entries()) if (isDrawn(values)) assert.notDeepEqual(values, others[i]);
    for (const model of [first, again, other]) model.dispose();
  });

  it('gives a probability for each class, the softmax of its logits', () => {
    const [model, bare, x] = [make({ seed: 3 }), make({ seed: 3, logits: true }), batch()];
    const logits = outputOf(bare, x);
    const rows = logits.length / classes;
    assert.equal(rows, x.shape[0]);
    const expected = Array.from({ length: rows }, (_, row) => {
      const powers = logits.slice(row * classes, (row + 1) * classes).map(Math.exp);
      return powers.map((power) => power / powers.reduce((sum, p) => sum + p, 0));
    });
    assertClose(outputOf(model, x), expected.flat(), 1e-5);
    for (const thing of [model, bare, x]) thing.dispose();
  });

  it('gives its layers the same names each time, however many models there are', () => {
    const [first, again] = [make({ seed: 3 }), make({ seed: 4 })];
    const namesOf = (model: tf.LayersModel) => model.layers.map(({ name }) => name);
    assert.deepEqual(namesOf(first), namesOf(again));
    for (const model of [first, again]) model.dispose();
  });

  it('has a gradient for every trained weight', () => {
    const [model, x] = [make({ seed: 3 }), batch()];
    const worst = tf.tidy(() => {
      const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
      const labels = tf.oneHot(tf.range(0, x.shape[0], 1, 'int32').mod(classes).toInt(), classes);
      const { grads } = tf.variableGrads(
        () =>
          tf.metrics
            .categoricalCrossentropy(labels, model.apply(x, { training: true }) as tf.Tensor)
            .mean()
            .asScalar(),
        variables,
      );
      return variables.map(({ name }) => [name, grads[name]!.abs().max().dataSync()[0]!] as const);
    });
    for (const [name, largest] of worst) assert.ok(largest > 0, `${name} has no gradient`);
    for (const thing of [model, x]) thing.dispose();
  });
}
