import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { charLstm } from '../../src/model/char-lstm.ts';

const weightsOf = (model: tf.LayersModel) => model.weights.map((weight) => Array.from(weight.read().dataSync()));
const ids = (rows: number[][]) => tf.tensor2d(rows, [rows.length, rows[0]!.length], 'int32');
const predict = (model: tf.LayersModel, rows: number[][]): number[][][] =>
  tf.tidy(() => {
    const output = model.predict(ids(rows));
    assert.ok(output instanceof tf.Tensor);
    return output.as3D(rows.length, rows[0]!.length, -1).arraySync();
  });

const repeat = (value: number, length: number) => Array.from({ length }, () => value);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const make = (seed: number) => charLstm({ vocabularySize: 5, units: 4, embedding: 3, seed });

describe('charLstm', () => {
  let before: number;
  beforeEach(async () => {
    await tf.setBackend('cpu');
    before = tf.memory().numTensors;
  });
  afterEach(() => assert.equal(tf.memory().numTensors, before));

  it('takes int32 [B, T] and gives each next character a probability, [B, T, V]', () => {
    const model = charLstm({ vocabularySize: 7, units: 5, layers: 2, dropout: 0.5, seed: 1 });
    const output = predict(model, [
      [0, 1, 6],
      [2, 2, 2],
    ]);
    assert.deepEqual([output.length, output[0]!.length, output[0]![0]!.length], [2, 3, 7]);
    for (const row of output.flat()) assert.ok(Math.abs(row.reduce((sum, p) => sum + p, 0) - 1) < 1e-6);
    assert.equal(model.inputs[0]!.dtype, 'int32');
    model.dispose();
  });

  it('computes what plain numbers compute (one-hot, one layer)', () => {
    const [V, U] = [3, 2];
    const model = charLstm({ vocabularySize: V, units: U, seed: 5 });
    const [kernel, recurrent, bias, headKernel, headBias] = weightsOf(model);
    let [h, c] = [repeat(0, U), repeat(0, U)];
    const expected = [2, 0, 1].map((id) => {
      const z = Array.from({ length: 4 * U }, (_, k) =>
        h.reduce((sum, hj, j) => sum + hj * recurrent![j * 4 * U + k]!, kernel![id * 4 * U + k]! + bias![k]!),
      );
      const gate = (index: number, unit: number) => z[index * U + unit]!; // i, f, c, o
      c = c.map((cj, j) => sigmoid(gate(1, j)) * cj + sigmoid(gate(0, j)) * Math.tanh(gate(2, j)));
      h = c.map((cj, j) => sigmoid(gate(3, j)) * Math.tanh(cj));
      const logits = headBias!.map((b, v) => h.reduce((sum, hj, j) => sum + hj * headKernel![j * V + v]!, b));
      const powers = logits.map(Math.exp);
      return powers.map((power) => power / powers.reduce((sum, p) => sum + p, 0));
    });
    const found = predict(model, [[2, 0, 1]])[0]!;
    for (const [t, row] of expected.entries())
      for (const [v, p] of row.entries()) assert.ok(Math.abs(p - found[t]![v]!) < 1e-6);
    model.dispose();
  });

  it('has the same weights for the same seed, and others for another', () => {
    const [first, again, other] = [make(3), make(3), make(4)];
    assert.deepEqual(weightsOf(first), weightsOf(again));
    for (const [i, values] of weightsOf(first).entries())
      if (values.some((value) => value !== 0 && value !== 1)) assert.notDeepEqual(values, weightsOf(other)[i]);
    for (const model of [first, again, other]) model.dispose();
  });

  it('starts with the forget bias at 1 and each gate orthogonal', () => {
    const U = 6;
    const model = charLstm({ vocabularySize: 5, units: U, seed: 3 });
    const [, recurrent, bias] = model.getLayer('lstm_1').getWeights();
    assert.deepEqual(Array.from(bias!.dataSync()), [...repeat(0, U), ...repeat(1, U), ...repeat(0, 2 * U)]);
    const worst = tf.tidy(() => {
      const gates = tf.split(recurrent!, 4, 1);
      const errors = gates.map((gate) => tf.matMul(gate, gate, true).sub(tf.eye(U)).abs().max());
      return tf.stack(errors).max().dataSync()[0]!;
    });
    assert.ok(worst < 1e-6, `largest entry of RᵀR - I: ${worst}`);
    model.dispose();
  });

  it('does not train the one-hot matrix', () => {
    const model = charLstm({ vocabularySize: 5, units: 4, seed: 3 });
    assert.deepEqual(
      model.trainableWeights.map((weight) => weight.originalName),
      ['lstm_1/kernel', 'lstm_1/recurrent_kernel', 'lstm_1/bias', 'next_character/kernel', 'next_character/bias'],
    );
    model.dispose();
  });

  it('refuses options that are unknown or out of range', () => {
    assert.throws(() => charLstm({ vocabularySize: 0, seed: 1 }), {
      code: 'ERR_OPTIONS',
      message: /^charLstm\(\): `vocabularySize`/,
    });
    const misspelt = { vocabularySize: 5, seed: 1, unit: 3 };
    assert.throws(() => charLstm(misspelt), { code: 'ERR_OPTIONS', message: /unit/ });
  });
});
