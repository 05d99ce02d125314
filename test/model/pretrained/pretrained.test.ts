import assert from 'node:assert/strict';
import { access, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { decodeImage, ImageOptions } from '../../../src/corpus/formats/image.ts';
import { defineRecipe, fetchCorpus } from '../../../src/corpus/recipe.ts';
import { cacheFolder } from '../../../src/corpus/data-folder.ts';
import { useEngine } from '../../../src/engine/use-engine.ts';
import { FetchError } from '../../../src/errors.ts';
import { saveModel } from '../../../src/model/files.ts';
import { efficientNetLite0, takeTorchWeights } from '../../../src/model/pretrained/efficientnet-lite0.ts';
import { imageDetails } from '../../../src/model/pretrained/image-details.ts';
import { openModel } from '../../../src/model/pretrained/open-model.ts';
import { pretrained, type PretrainedName } from '../../../src/model/pretrained/pretrained.ts';
import { useTestEngine } from '../../test-engine.ts';
import { smallNetwork } from './small-network.ts';

/** Two photos that a package ships. */
const photos = defineRecipe({
  name: 'photos',
  licence: 'BSD-3-Clause',
  package: { registry: 'pypi', name: 'scikit-learn', version: '1.9.1' },
  files: [
    {
      entry: 'sklearn/datasets/images/china.jpg',
      to: 'china.jpg',
      bytes: 196_653,
      sha256: '8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29',
    },
    {
      entry: 'sklearn/datasets/images/flower.jpg',
      to: 'flower.jpg',
      bytes: 142_987,
      sha256: 'a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638',
    },
  ],
});

async function topOf(model: tf.LayersModel, path: string, top: number): Promise<string[]> {
  const { height, width, classNames } = imageDetails(model);
  const place = { shard: path, offset: 0, id: path };
  const pixels = await decodeImage(await readFile(path), { image: ImageOptions.parse({ height, width }) }, place);
  const p = tf.tidy(() => (model.predict(tf.tensor4d([...pixels], [1, height, width, 3])) as tf.Tensor).dataSync());
  return Array.from(p, (value, i) => [value, classNames![i]!] as const)
    .toSorted(([a], [b]) => b - a)
    .slice(0, top)
    .map(([, name]) => name);
}

describe('pretrained', function () {
  this.timeout(300_000); // the first time it fetches 45 MB
  // In plain JavaScript a photo takes a minute.
  before(() => (process.env['TAUSTREAM_ENGINE'] ? useTestEngine() : useEngine('wasm')));

  /** What each network must see in which photo, among its first few guesses. */
  const known: readonly [PretrainedName, number, Readonly<Record<string, readonly [number, string]>>][] = [
    ['efficientnet-lite0', 4_694_036, { 'china.jpg': [1, 'palace'], 'flower.jpg': [1, 'daisy'] }],
    ['squeezenet-1.1', 1_235_508, { 'china.jpg': [3, 'monastery'] }],
  ];
  for (const [name, parameters, expected] of known)
    it(`opens ${name}, which knows known photos`, async function () {
      let files;
      try {
        ({ files } = await fetchCorpus(photos, { folder: join(cacheFolder(process.platform, process.env), 'photos') }));
      } catch (error) {
        if (error instanceof FetchError) this.skip(); // no package index here
        throw error;
      }
      const before = tf.memory().numTensors;
      const model = await pretrained(name);
      assert.equal(model.countParams(), parameters); // the published count, and 12 of the normalisation
      for (const [file, [top, label]] of Object.entries(expected)) {
        const guesses = await topOf(
          model,
          files.find((path) => path.endsWith(file))!,
          top,
        );
        assert.ok(guesses.includes(label), `${file}: ${guesses.join(', ')}`);
      }
      model.dispose();
      assert.equal(tf.memory().numTensors, before);
    });

  it('makes a converted model anew that was damaged', async function () {
    const folder = await mkdtemp(join(tmpdir(), 'taustream-pretrained-'));
    const cached = join(cacheFolder(process.platform, process.env), 'pretrained');
    try {
      await cp(cached, folder, { recursive: true }).catch(() => this.skip()); // nothing was fetched
      const weights = join(folder, 'squeezenet-1.1-1', 'weights.bin');
      const whole = await readFile(weights);
      const damaged = Buffer.from(whole);
      damaged[1000]! ^= 0xff;
      await writeFile(weights, damaged);
      const registry = {
        download: () => assert.fail('the weights are there'),
        entries: () => assert.fail('the weights are there'),
      };
      (await pretrained('squeezenet-1.1', { folder, registry })).dispose();
      assert.ok(whole.equals(await readFile(weights)));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('leaves nothing behind when a converted model cannot be kept', async function () {
    const folder = await mkdtemp(join(tmpdir(), 'taustream-pretrained-'));
    const cached = join(cacheFolder(process.platform, process.env), 'pretrained');
    try {
      for (const name of ['squeezenet', 'imagenet-names'])
        await cp(join(cached, name), join(folder, name), { recursive: true }).catch(() => this.skip()); // nothing was fetched
      await writeFile(join(folder, 'squeezenet-1.1-1'), 'a file where the folder would be');
      const before = tf.memory().numTensors;
      await assert.rejects(pretrained('squeezenet-1.1', { folder }), { code: 'EEXIST' });
      assert.equal(tf.memory().numTensors, before);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('keeps how pictures become pixels, and refuses a size that the network does not take', async function () {
    const cached = join(cacheFolder(process.platform, process.env), 'pretrained');
    await access(cached).catch(() => this.skip()); // nothing was fetched
    const before = tf.memory().numTensors;
    const image = { height: 227, width: 227, fit: 'contain', kernel: 'linear', background: '#102030' } as const;
    const model = await pretrained('squeezenet-1.1', { image });
    const { fit, kernel, background, order } = imageDetails(model);
    assert.deepEqual([fit, kernel, background, order], ['contain', 'linear', '#102030', 'bgr']);
    model.dispose();
    await assert.rejects(pretrained('squeezenet-1.1', { image: { height: 224 } }), {
      code: 'ERR_MODEL',
      message: /expected pictures of 227 × 227 pixels and 3 channels, got a height of 224/,
    });
    assert.equal(tf.memory().numTensors, before);
  });

  it('says which networks there are', async () => {
    await assert.rejects(pretrained('alexnet' as PretrainedName), {
      code: 'ERR_MODEL',
      message: /expected one of `efficientnet-lite0`, `squeezenet-1\.1`, got `alexnet`/,
    });
  });
});

describe('takeTorchWeights', () => {
  before(useTestEngine);

  it('refuses weights of another network: missing, of another shape, too many', () => {
    const model = efficientNetLite0();
    const shapeOf = (shape: readonly number[]) => ({
      shape,
      data: new Float32Array(shape.reduce((product, axis) => product * axis, 1)),
    });
    const take = (tensors: Readonly<Record<string, readonly number[]>>) => () =>
      takeTorchWeights(model, new Map(Object.entries(tensors).map(([name, shape]) => [name, shapeOf(shape)])), 'a.pth');
    assert.throws(take({}), { code: 'ERR_MODEL', message: /`_conv_stem\.weight` for \[3, 3, 3, 32\], got none/ });
    assert.throws(take({ '_conv_stem.weight': [32, 3, 5, 5] }), {
      code: 'ERR_MODEL',
      message: /a\.pth: expected `_conv_stem\.weight` for \[3, 3, 3, 32\], got \[32, 3, 5, 5\]/,
    });
    model.dispose();
  });
});

describe('openModel', () => {
  before(useTestEngine);

  it('opens a folder, and makes the normalisation that it is told a layer', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'taustream-open-'));
    try {
      const small = smallNetwork();
      await saveModel(small, join(folder, 'small'));
      small.dispose();
      const image = { height: 8, width: 8, mean: [127.5], scale: [1 / 127.5] };
      const model = await openModel(join(folder, 'small'), { image });
      assert.equal(model.layers[1]!.name, 'normalize');
      assert.deepEqual(imageDetails(model).mean, [127.5]);
      model.dispose();
      const before = tf.memory().numTensors;
      await assert.rejects(openModel(join(folder, 'small'), { image: { height: 9, width: 8 } }), {
        code: 'ERR_MODEL',
        message: /expected an input of \[9, 8, 3\]/,
      });
      assert.equal(tf.memory().numTensors, before);
      await assert.rejects(openModel(join(folder, 'nothing')), { code: 'ERR_MODEL', message: /is missing/ });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('opens a URL, and says so when there is no model', async () => {
    const { createServer } = await import('node:http');
    const folder = await mkdtemp(join(tmpdir(), 'taustream-url-'));
    const small = smallNetwork();
    await saveModel(small, join(folder, 'small'));
    small.dispose();
    const server = createServer((request, response) => {
      readFile(join(folder, request.url!)).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    try {
      const model = await openModel(`http://127.0.0.1:${port}/small/model.json`);
      assert.deepEqual(imageDetails(model).blocks, ['stem', 'block_0', 'block_1']);
      model.dispose();
      const missing = `http://127.0.0.1:${port}/nothing/model.json`;
      await assert.rejects(openModel(missing), {
        code: 'ERR_MODEL',
        message: /expected a model in tfjs layers format/,
      });
    } finally {
      server.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
