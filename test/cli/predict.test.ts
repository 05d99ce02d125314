import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import { storedZip } from '../../src/corpus/stored-zip.ts';
import { loadModel, saveModel } from '../../src/model/files.ts';
import { imageDetails, setImageDetails } from '../../src/model/pretrained/image-details.ts';
import { useTestEngine } from '../test-engine.ts';
import { run } from './run-cli.ts';

const picture = (shade: number) =>
  sharp({ create: { width: 30, height: 20, channels: 3, background: { r: shade, g: shade, b: shade } } })
    .png()
    .toBuffer();

describe('taustream predict', () => {
  before(useTestEngine);
  let folder: string;
  const at = (name: string) => join(folder, name);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-predict-'));
    // z = ±(mean − 128) / 20
    const model = tf.sequential({
      layers: [tf.layers.flatten({ inputShape: [2, 2, 3] }), tf.layers.dense({ units: 2, activation: 'softmax' })],
    });
    const kernel = Array.from({ length: 12 }, () => [-1 / 240, 1 / 240]);
    tf.tidy(() => model.setWeights([tf.tensor2d(kernel), tf.tensor1d([6.4, -6.4])]));
    await saveModel(model, at('nameless'));
    setImageDetails(model, { height: 2, width: 2, classNames: ['dark', 'bright'], takesPixels: true });
    await saveModel(model, join(at('run'), 'model'));
    model.dispose();
    await writeFile(at('night.png'), await picture(100));
    await writeFile(at('day.png'), await picture(200));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('names the classes of each picture, the likeliest first, by a run folder or a model', async () => {
    for (const model of [at('run'), join(at('run'), 'model')]) {
      const { code, stdout } = await run(['predict', model, at('night.png'), at('day.png')]);
      assert.equal(code, 0);
      assert.equal(stdout, `${at('night.png')}  dark 94 %, bright 5.7 %\n${at('day.png')}  bright 100 %, dark 0.1 %\n`);
    }
  });

  it('prints a line of JSON a picture, and as many classes as are asked for', async () => {
    const { code, stdout } = await run(['predict', at('run'), at('night.png'), '--json', '--top', '1']);
    const { file, classes } = JSON.parse(stdout);
    assert.deepEqual([code, file, classes.length, classes[0].class], [0, at('night.png'), 1, 'dark']);
    // 1 / (1 + exp(-2 (128 - 100) / 20))
    assert.ok(Math.abs(classes[0].probability - 0.942676) < 1e-5, classes[0].probability);
  });

  it('names files that are no pictures, goes on, and exits with 1', async () => {
    await writeFile(at('text.png'), 'no picture');
    const args = ['predict', at('run'), at('text.png'), at('day.png'), at('nowhere.jpg'), '--json'];
    const { code, stdout, stderr } = await run(args);
    assert.equal(code, 1);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ error }) => error === undefined),
      [false, true, false],
    );
    assert.equal(lines[1].classes[0].class, 'bright');
    assert.match(stderr, /text\.png.*expected an image/);
    assert.match(stderr, /nowhere\.jpg: expected a picture, got ENOENT/);
  });

  it('takes folders and zips of pictures, and names those that are damaged or hold none', async () => {
    await mkdir(join(at('photos'), 'deep'), { recursive: true });
    await writeFile(join(at('photos'), 'deep', 'b.png'), await picture(200));
    await writeFile(join(at('photos'), 'a.png'), await picture(100));
    await writeFile(join(at('photos'), 'notes.txt'), 'no picture');
    const zip = storedZip([
      { path: 'dark/x.png', bytes: await picture(90) },
      { path: 'readme.md', bytes: Buffer.from('no picture') },
    ]);
    await writeFile(at('some.zip'), zip);
    await writeFile(at('cut.zip'), zip.subarray(0, zip.length - 30));
    await mkdir(at('empty'));
    const paths = ['photos', 'some.zip', 'cut.zip', 'empty', 'day.png'].map(at);
    const { code, stdout, stderr } = await run(['predict', at('run'), ...paths, '--json', '--top', '1']);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ file, classes }) => [file.slice(folder.length + 1), classes?.[0].class]),
      [
        [join('photos', 'a.png'), 'dark'],
        [join('photos', 'deep', 'b.png'), 'bright'],
        ['some.zip:dark/x.png', 'dark'],
        ['cut.zip', undefined],
        ['empty', undefined],
        ['day.png', 'bright'],
      ],
    );
    assert.equal(code, 1);
    assert.match(stderr, /cut\.zip.*expected a zip archive/);
    assert.match(stderr, /empty: expected pictures in it, got none/);
  });

  it('resizes pictures as the model was trained on them', async () => {
    const noise = Uint8Array.from({ length: 30 * 20 * 3 }, (_, i) => (i * i * 31) % 251);
    await writeFile(
      at('noise.png'),
      await sharp(noise, { raw: { width: 30, height: 20, channels: 3 } })
        .png()
        .toBuffer(),
    );
    const probabilities = [];
    for (const kernel of ['linear', 'lanczos3'] as const) {
      const model = await loadModel(join(at('run'), 'model'));
      setImageDetails(model, { ...imageDetails(model), kernel, fit: 'fill' });
      await saveModel(model, at(kernel));
      model.dispose();
      const { stdout } = await run(['predict', at(kernel), at('noise.png'), '--json', '--top', '2']);
      const pixels = await sharp(at('noise.png')).resize({ width: 2, height: 2, fit: 'fill', kernel }).raw().toBuffer();
      const mean = pixels.reduce((sum, value) => sum + value, 0) / 12;
      const { classes } = JSON.parse(stdout) as { classes: { class: string; probability: number }[] };
      const bright = classes.find((guess) => guess.class === 'bright')!.probability;
      assert.ok(Math.abs(bright - 1 / (1 + Math.exp((-2 * (mean - 128)) / 20))) < 1e-5, `${kernel} ${bright} ${mean}`);
      probabilities.push(bright);
    }
    assert.ok(Math.abs(probabilities[0]! - probabilities[1]!) > 1e-3, 'the two differ: the test can tell them apart');
  });

  it('takes mean and scale off the pixels for a model that does not do so itself', async () => {
    const model = tf.sequential({
      layers: [tf.layers.flatten({ inputShape: [2, 2, 3] }), tf.layers.dense({ units: 2, activation: 'softmax' })],
    });
    // z = ±mean of (pixel − 128) / 20
    tf.tidy(() => model.setWeights([tf.tensor2d(Array.from({ length: 12 }, () => [-1 / 12, 1 / 12])), tf.zeros([2])]));
    const classNames = ['dark', 'bright'];
    setImageDetails(model, { height: 2, width: 2, classNames, mean: [128], scale: [1 / 20] });
    await saveModel(model, at('bare'));
    model.dispose();
    const { stdout } = await run(['predict', at('bare'), at('night.png')]);
    assert.equal(stdout, `${at('night.png')}  dark 94 %, bright 5.7 %\n`);
  });

  it('refuses a model that does not say how it takes pictures, and what is no model', async () => {
    const nameless = await run(['predict', at('nameless'), at('day.png')]);
    assert.equal(nameless.code, 1);
    assert.match(nameless.stderr, /expected details of its images .* got none/);
    const nowhere = await run(['predict', at('nowhere'), at('day.png')]);
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.stderr, /nowhere.*model\.json: is missing/);
    assert.equal((await run(['predict', at('run')])).code, 2);
  });
});
