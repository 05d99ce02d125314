import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { charLstm } from '../../src/model/char-lstm.ts';
import { loadModel, saveModel } from '../../src/model/files.ts';

const outputOf = (model: tf.LayersModel) =>
  tf.tidy(() => {
    const output = model.predict(tf.tensor2d([[0, 4, 2]], undefined, 'int32'));
    assert.ok(output instanceof tf.Tensor);
    return Array.from(output.dataSync());
  });

describe('saveModel', () => {
  let folder: string;
  let model: tf.LayersModel;
  beforeEach(async () => {
    await tf.setBackend('cpu');
    folder = await mkdtemp(join(tmpdir(), 'taustream-model-'));
    model = charLstm({ vocabularySize: 5, units: 4, layers: 2, dropout: 0.3, seed: 1 });
  });
  afterEach(async () => {
    model.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it('writes a model that computes the same when loaded', async () => {
    await saveModel(model, join(folder, 'model'));
    const loaded = await loadModel(join(folder, 'model'));
    assert.deepEqual(outputOf(loaded), outputOf(model));
    assert.equal(loaded.getLayer('dropout_1').constructor, tf.layers.dropout({ rate: 0.3 }).constructor);
    loaded.dispose();
  });

  it("writes the format of tfjs: topology and a manifest of `weights.bin`, the weights' bytes in its order", async () => {
    await saveModel(model, join(folder, 'model'));
    const json: tf.io.ModelJSON = JSON.parse(await readFile(join(folder, 'model', 'model.json'), 'utf8'));
    assert.equal(json.format, 'layers-model');
    assert.deepEqual(json.weightsManifest[0]!.paths, ['weights.bin']);
    const names = json.weightsManifest[0]!.weights.map((weight) => weight.name);
    const bytes = await readFile(join(folder, 'model', 'weights.bin'));
    const expected = names.map((name) =>
      model.weights
        .find((weight) => weight.originalName === name)!
        .read()
        .dataSync(),
    );
    assert.deepEqual(
      bytes,
      Buffer.concat(expected.map((values) => Buffer.from(values.buffer, values.byteOffset, values.byteLength))),
    );
  });

  it('writes other files beside it and replaces a model that was there', async () => {
    const target = join(folder, 'model');
    await saveModel(model, target, { 'old.txt': 'old' });
    await saveModel(model, target, { 'vocabulary.json': ['a', 'b'], 'notes.txt': 'as it is' });
    assert.deepEqual(await readdir(folder), ['model']);
    assert.deepEqual(await readdir(target), ['model.json', 'notes.txt', 'vocabulary.json', 'weights.bin']);
    assert.equal(await readFile(join(target, 'notes.txt'), 'utf8'), 'as it is');
    assert.deepEqual(JSON.parse(await readFile(join(target, 'vocabulary.json'), 'utf8')), ['a', 'b']);
  });

  it('refuses file names that leave the folder or overwrite its own, and leaves nothing behind', async () => {
    for (const name of ['../x', 'a/b', 'model.json', '..'])
      await assert.rejects(saveModel(model, join(folder, 'model'), { [name]: '' }), {
        code: 'ERR_RUN',
        message: /expected a plain file name/,
      });
    assert.deepEqual(await readdir(folder), []);
  });

  it('says where it cannot write', async () => {
    await writeFile(join(folder, 'file'), '');
    await assert.rejects(saveModel(model, join(folder, 'file', 'model')), {
      code: 'ERR_RUN',
      message: /cannot save the model/,
    });
  });
});

describe('loadModel', () => {
  it('names a file that is missing, cut short or something else', async () => {
    await tf.setBackend('cpu');
    const folder = await mkdtemp(join(tmpdir(), 'taustream-model-'));
    const model = charLstm({ vocabularySize: 5, units: 4, seed: 1 });
    const refused = (message: RegExp) => assert.rejects(loadModel(folder), { code: 'ERR_MODEL', message });
    await refused(/model\.json: is missing/);
    const target = join(folder, 'saved');
    await saveModel(model, target);
    await truncate(join(target, 'weights.bin'), 40);
    await assert.rejects(loadModel(target), {
      code: 'ERR_MODEL',
      message: /expected \d+ bytes of weights in weights\.bin, got 40/,
    });
    await rm(join(target, 'weights.bin'));
    await assert.rejects(loadModel(target), { code: 'ERR_MODEL', message: /weights\.bin: is missing/ });
    await writeFile(join(folder, 'model.json'), '{');
    await refused(/expected JSON/);
    await writeFile(join(folder, 'model.json'), '{}');
    await refused(/expected `modelTopology`/);
    await writeFile(join(folder, 'model.json'), '{"format":"graph-model","modelTopology":{},"weightsManifest":[]}');
    await refused(/expected a layers-model, got a graph-model/);
    await writeFile(
      join(folder, 'model.json'),
      '{"modelTopology":{"class_name":"Model","config":{}},"weightsManifest":[]}',
    );
    await refused(/cannot make a model of it/);
    model.dispose();
    await rm(folder, { recursive: true });
  });
});
