import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import { saveModel } from '../../src/model/files.ts';
import { setImageDetails } from '../../src/model/pretrained/image-details.ts';
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
