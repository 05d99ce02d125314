import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { storedZip } from '../../../src/corpus/stored-zip.ts';
import { loadKeras } from '../../../src/model/pretrained/keras-file.ts';
import { useTestEngine } from '../../test-engine.ts';

const at = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** What Keras itself answered: see fixtures/make-keras.py. */
interface Answer {
  readonly x: number[];
  readonly shape: number[];
  readonly y: number[];
}

describe('loadKeras', () => {
  let folder: string;
  before(useTestEngine);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-keras-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  for (const file of ['conv_net.keras', 'conv_net.h5', 'sequence_net.keras', 'sequence_net.h5'])
    it(`answers what Keras does with ${file}`, async () => {
      const answers = JSON.parse(await readFile(at('keras.json'), 'utf8')) as Record<string, Answer>;
      const { x, shape, y } = answers[file.split('.')[0]!]!;
      const before = tf.memory().numTensors;
      const model = await loadKeras(at(file));
      const got = tf.tidy(() => (model.predict(tf.tensor(x, shape)) as tf.Tensor).dataSync());
      assert.ok(
        Math.max(...Array.from(got, (value, i) => Math.abs(value - y[i]!))) < 1e-5,
        `${got.join()} ${y.join()}`,
      );
      model.dispose();
      // tfjs' own LSTM keeps some of its initializers' tensors
      if (file.startsWith('conv_net')) assert.equal(tf.memory().numTensors, before);
    });

  it('refuses weights alone', async () => {
    await assert.rejects(loadKeras(at('sequence_net.weights.h5')), {
      code: 'ERR_MODEL',
      message: /sequence_net\.weights\.h5: expected a whole model .*, got weights alone\. /,
    });
  });

  it('refuses a file that is cut short, is none, or is missing', async () => {
    const path = join(folder, 'cut.h5');
    await writeFile(path, (await readFile(at('conv_net.h5'))).subarray(0, 9000));
    await assert.rejects(loadKeras(path), { code: 'ERR_MODEL', message: /cut\.h5: expected an HDF5 file/ });
    await writeFile(path, 'hello');
    await assert.rejects(loadKeras(path), { code: 'ERR_MODEL', message: /cut\.h5: expected an HDF5 file/ });
    await assert.rejects(loadKeras(join(folder, 'none.h5')), {
      code: 'ERR_MODEL',
      message: /none\.h5: expected a file/,
    });
  });

  it('names what is missing in a .keras, and a layer that tfjs lacks', async () => {
    const path = join(folder, 'a.keras');
    await writeFile(path, storedZip([{ path: 'metadata.json', bytes: Buffer.from('{}') }]));
    await assert.rejects(loadKeras(path), { code: 'ERR_MODEL', message: /expected a zip of `config\.json`/ });
    await writeFile(path, await keras({ className: 'TransmogrifierLayer' }));
    await assert.rejects(loadKeras(path), { code: 'ERR_MODEL', message: /layers that tfjs has, got .*Transmogrifier/ });
  });

  it('names the layer whose weights have another shape', async () => {
    const path = join(folder, 'a.keras');
    await writeFile(path, await keras({ units: 3 }));
    await assert.rejects(loadKeras(path), {
      code: 'ERR_MODEL',
      message: /expected weights of shapes \[2,3\], \[3\] for layer `out`, got none/,
    });
  });

  /** A `.keras` of one layer, with the weights of another model. */
  async function keras({ className = 'Dense', units = 2 }): Promise<Buffer> {
    const input = { class_name: 'InputLayer', config: { batch_shape: [null, 2], name: 'in' } };
    const dense = { class_name: className, config: { name: 'out', units, activation: 'linear', use_bias: true } };
    const config = { class_name: 'Sequential', config: { name: 's', layers: [input, dense] } };
    return storedZip([
      { path: 'config.json', bytes: Buffer.from(JSON.stringify(config)) },
      { path: 'model.weights.h5', bytes: await readFile(at('sequence_net.h5')) },
    ]);
  }
});
