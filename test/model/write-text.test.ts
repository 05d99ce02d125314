import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { charLstm } from '../../src/model/char-lstm.ts';
import { characterStepper } from '../../src/model/character-stepper.ts';
import { writeText } from '../../src/model/write-text.ts';

const letters = 'abcdefg';
const codec = {
  encode: (text: string) => Array.from(text, (letter) => letters.indexOf(letter)).filter((id) => id >= 0),
  decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => letters[id]).join(''),
};

/** A model without recurrence whose next letter has fixed probabilities: softmax of the head's bias. */
function fixedModel(logits: number[], activation: 'softmax' | 'linear'): tf.LayersModel {
  const input = tf.input({ shape: [null], dtype: 'int32' });
  const embedding = tf.layers.embedding({ inputDim: logits.length, outputDim: 2, embeddingsInitializer: 'zeros' });
  const head = tf.layers.dense({ units: logits.length, activation });
  const output = head.apply(embedding.apply(input));
  assert.ok(output instanceof tf.SymbolicTensor);
  const model = tf.model({ inputs: input, outputs: output });
  tf.tidy(() => head.setWeights([head.getWeights()[0]!, tf.tensor1d(logits)]));
  return model;
}

async function counts(logits: number[], activation: 'softmax' | 'linear', temperature: number): Promise<number[]> {
  const model = fixedModel(logits, activation);
  const text = await writeText(model, codec, { prompt: 'a', length: 1000, temperature, seed: 3 });
  model.dispose();
  return logits.map((_, id) => text.split(letters[id]!).length - 1);
}

/** Four standard deviations of 1,000 draws, for each of three letters: false alarm 1 in 5,000, once, as the seed is fixed. */
function assertDrawn(found: number[], probabilities: number[]): void {
  for (const [id, p] of probabilities.entries()) {
    const sigma = Math.sqrt(1000 * p * (1 - p));
    assert.ok(
      Math.abs(found[id]! - 1000 * p) < 4 * sigma,
      `${letters[id]}: ${found[id]} of 1000, expected ${1000 * p}`,
    );
  }
}

const build = (layers: tf.layers.Layer[]) => tf.sequential({ layers });
const lettersEmbedding = () => tf.layers.embedding({ inputDim: 7, outputDim: 2, inputLength: 3 });

describe('writeText', () => {
  let before: number;
  beforeEach(async () => {
    await tf.setBackend('cpu');
    before = tf.memory().numTensors;
  });
  afterEach(() => assert.equal(tf.memory().numTensors, before));

  it('draws each character with its probability', async () => {
    const logits = [0.5, 0.3, 0.2].map(Math.log);
    assertDrawn(await counts(logits, 'softmax', 1), [0.5, 0.3, 0.2]);
    assertDrawn(await counts(logits, 'linear', 1), [0.5, 0.3, 0.2]);
  });

  it('sharpens by the temperature: p^(1/t), normalised', async () => {
    const logits = [0.5, 0.3, 0.2].map(Math.log);
    assertDrawn(await counts(logits, 'softmax', 0.5), [0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38]);
  });

  it('takes the likeliest character at temperature 0', async () => {
    assert.deepEqual(await counts([0, 2, 1], 'softmax', 0), [0, 1000, 0]);
  });

  it('takes the likeliest at a temperature so low that no power of a probability is a number', async () => {
    assert.deepEqual(await counts([0, 2, 1], 'softmax', 1e-310), [0, 1000, 0]);
  });

  it('writes with a vocabulary of more characters than a function takes arguments', async () => {
    const size = 200_000;
    const logits = Array.from({ length: size }, (_, id) => (id === 150_000 ? 9 : -9));
    const many = { encode: () => [1], decode: (ids: ArrayLike<number>) => Array.from(ids).join(' ') };
    for (const activation of ['linear', 'softmax'] as const)
      for (const temperature of [0, 0.1]) {
        const model = fixedModel(logits, activation);
        const written = await writeText(model, many, { prompt: 'a', length: 2, temperature, seed: 3 });
        assert.equal(written, '150000 150000');
        model.dispose();
      }
  });

  it('writes the same for the same seed and another text for another', async () => {
    const model = charLstm({ vocabularySize: 7, units: 8, layers: 2, seed: 1 });
    const write = (seed: number) => writeText(model, codec, { prompt: 'abc', length: 40, seed });
    const text = await write(1);
    assert.equal(text.length, 40);
    assert.equal(await write(1), text);
    assert.notEqual(await write(2), text);
    model.dispose();
  });

  it('refuses a prompt of which the vocabulary knows nothing', async () => {
    const model = charLstm({ vocabularySize: 7, units: 4, seed: 1 });
    await assert.rejects(writeText(model, codec, { prompt: 'xyz', seed: 1 }), {
      code: 'ERR_MODEL',
      message: /expected a prompt/,
    });
    model.dispose();
  });

  it('refuses a model that looks ahead or has another shape', async () => {
    const models = [
      build([lettersEmbedding(), tf.layers.conv1d({ filters: 7, kernelSize: 2, padding: 'same' })]),
      build([lettersEmbedding(), tf.layers.simpleRNN({ units: 7, returnSequences: true, goBackwards: true })]),
      build([lettersEmbedding(), tf.layers.simpleRNN({ units: 7 })]),
    ];
    for (const model of models) {
      await assert.rejects(writeText(model, codec, { prompt: 'a', seed: 1 }), {
        code: 'ERR_MODEL',
        message: /has (a Conv1D|a SimpleRNN|the output)/,
      });
      model.dispose();
    }
  });
});

describe('characterStepper', () => {
  it('gives, step by step, what the model gives for the whole text', async () => {
    await tf.setBackend('cpu');
    const before = tf.memory().numTensors;
    const inputDim = 7;
    const stacked = tf.sequential({
      layers: [
        tf.layers.embedding({ inputDim, outputDim: 3, inputLength: 5 }),
        tf.layers.gru({ units: 4, returnSequences: true, recurrentInitializer: 'glorotNormal' }),
        tf.layers.layerNormalization(),
        tf.layers.dense({ units: inputDim, activation: 'softmax' }),
      ],
    });
    for (const model of [charLstm({ vocabularySize: 7, units: 6, layers: 2, dropout: 0.4, seed: 1 }), stacked]) {
      const ids = [3, 0, 6, 6, 1];
      const whole = tf.tidy(() => {
        const output = model.predict(tf.tensor2d([ids], undefined, 'int32'));
        assert.ok(output instanceof tf.Tensor);
        return output.as2D(5, 7).arraySync();
      });
      const stepper = characterStepper(model);
      for (const [t, id] of ids.entries())
        for (const [v, p] of (await stepper.next(id)).entries()) assert.ok(Math.abs(p - whole[t]![v]!) < 1e-6);
      stepper.dispose();
      model.dispose();
    }
    assert.equal(tf.memory().numTensors, before);
  });
});
