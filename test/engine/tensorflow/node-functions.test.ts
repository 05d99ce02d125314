import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { EngineError } from '../../../src/errors.ts';
import { encodeMessage, readMessage } from '../../../src/engine/tensorflow/binding/protobuf.ts';
import { nodeFunctions } from '../../../src/engine/tensorflow/node-functions.ts';
import { temporaryFolder } from './install/temporary-folder.ts';
import { describeWithTensorflow } from './with-tensorflow.ts';

const FLOAT = 1;
const entry = (key: string, value: Uint8Array) =>
  encodeMessage([
    [1, key],
    [2, value],
  ]);
const attribute = (key: string, value: Uint8Array) => [5, entry(key, value)] as const;

/** A saved model that computes x * x + y, by the format's definition (saved_model.proto, graph.proto). */
function savedModel(): Uint8Array {
  const type = encodeMessage([[6, FLOAT]]);
  const unknownVector = encodeMessage([[7, encodeMessage([[2, encodeMessage([[1, -1]])]])]]);
  const placeholder = (name: string) =>
    encodeMessage([[1, name], [2, 'Placeholder'], attribute('dtype', type), attribute('shape', unknownVector)]);
  const binary = (name: string, op: string, a: string, b: string) =>
    encodeMessage([[1, name], [2, op], [3, a], [3, b], attribute('T', type)]);
  const nodes = [
    placeholder('x'),
    placeholder('y'),
    binary('square', 'Mul', 'x', 'x'),
    binary('sum', 'AddV2', 'square', 'y'),
  ];
  const graph = encodeMessage([...nodes.map((node) => [1, node] as const), [4, encodeMessage([[1, 1000]])]]);
  const info = (name: string) =>
    encodeMessage([
      [1, name],
      [2, FLOAT],
      [3, encodeMessage([[2, encodeMessage([[1, -1]])]])],
    ]);
  const signature = encodeMessage([
    [1, entry('x', info('x:0'))],
    [1, entry('y', info('y:0'))],
    [2, entry('result', info('sum:0'))],
    [3, 'tensorflow/serving/predict'],
  ]);
  const meta = encodeMessage([
    [1, encodeMessage([[4, 'serve']])],
    [2, graph],
    [5, entry('serving_default', signature)],
  ]);
  return encodeMessage([
    [1, 1],
    [2, meta],
  ]);
}

describeWithTensorflow('nodeFunctions', (engine) => {
  const folder = temporaryFolder();

  it('decode what they encode', async () => {
    const { encodePng, encodeJpeg, decodeImage, decodePng } = await nodeFunctions();
    const pixels = tf.tidy(() =>
      tf
        .range(0, 4 * 5 * 3)
        .mul(4)
        .toInt()
        .as3D(4, 5, 3),
    );
    const png = await encodePng(pixels);
    assert.deepEqual(Buffer.from(png.subarray(1, 4)).toString(), 'PNG');
    const decoded = decodePng(png, 3);
    assert.deepEqual(decoded.arraySync(), pixels.arraySync());
    const jpeg = decodeImage(await encodeJpeg(pixels, 'rgb', 100));
    assert.deepEqual(jpeg.shape, [4, 5, 3]);
    tf.dispose([pixels, decoded, jpeg]);
  });

  it('run a saved model, and free it', async () => {
    await writeFile(join(folder(), 'saved_model.pb'), savedModel());
    await mkdir(join(folder(), 'variables'));
    const { getMetaGraphsFromSavedModel, loadSavedModel } = await nodeFunctions();
    const [graph] = await getMetaGraphsFromSavedModel(folder());
    assert.deepEqual(Object.keys(graph?.signatureDefs ?? {}), ['serving_default']);
    const model = await loadSavedModel(folder());
    const [x, y] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([10, 20, 30])];
    const { liveTensors, savedModels } = engine().statistics();
    const result = model.predict({ x, y });
    assert.ok('result' in result && result.result instanceof tf.Tensor);
    assert.deepEqual(result.result.arraySync(), [11, 24, 39]);
    tf.dispose([x, y, result.result]);
    model.dispose();
    const after = engine().statistics();
    assert.equal(after.savedModels, savedModels - 1);
    assert.ok(after.liveTensors <= liveTensors);
  });

  it('name a saved model that is not there', async () => {
    const { backend } = engine();
    assert.throws(
      () => backend.loadSavedModelMetaGraph(folder(), 'serve'),
      (error) => {
        assert.ok(error instanceof EngineError);
        assert.match(error.message, /^loadSavedModel\(.*, tags serve\): .*\.$/u);
        return true;
      },
    );
    return Promise.resolve();
  });

  it('write TensorBoard’s events', async () => {
    const { summaryFileWriter } = await nodeFunctions();
    const before = tf.memory().numTensors;
    const writer = summaryFileWriter(folder());
    writer.scalar('loss', 0.5, 3);
    writer.flush();
    const values = tf.tensor1d([1, 2]);
    const { liveTensors } = engine().statistics();
    for (let i = 0; i < 10; i++) {
      writer.scalar('loss', i, i);
      writer.histogram('weights', values, i);
    }
    values.dispose();
    // TensorFlow.js keeps each scalar that it writes; the number of the step, an int64, is freed
    const kept = tf.memory().numTensors - before;
    assert.ok(engine().statistics().liveTensors - liveTensors <= kept, 'the numbers of steps are freed');
    const [file = ''] = await readdir(folder());
    assert.match(file, /tfevents/u);
    const events = await readFile(join(folder(), file));
    assert.ok(events.includes('loss'));
    const length = Number(events.readBigUInt64LE(0)); // a record: length, its checksum, an event
    const fields = [...readMessage(events.subarray(12, 12 + length))].map(({ number }) => number);
    assert.ok(fields.includes(3), 'the first event names the file’s version');
    // TensorFlow.js holds the writer and its scalars for ever
    tf.engine().state.numTensors = before;
  });
});
