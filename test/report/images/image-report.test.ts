import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import { imageReport } from '../../../src/report/images/image-report.ts';
import { judgeImages } from '../../../src/report/images/judge-images.ts';
import type { Corpus } from '../../../src/stream/sample.ts';
import { useTestEngine } from '../../test-engine.ts';

/** Flat pictures; a class is a brightness. Sample 3 of five carries the wrong label. */
const shades = [10, 240, 20, 230, 30];
const labels = [0, 1, 0, 0, 0];
const corpus: Corpus = {
  name: 'shades <1>',
  schema: { x: { type: 'uint8', shape: [2, 2, 3] }, y: { type: 'int32', shape: [] } },
  length: 5,
  async *samples() {
    for (const [i, shade] of shades.entries()) yield { id: `s:${i}`, x: new Uint8Array(12).fill(shade), y: labels[i]! };
  },
};

/** Tells dark from bright: z = ±(mean − 128) / 20. */
function model(): tf.LayersModel {
  const made = tf.sequential({
    layers: [tf.layers.flatten({ inputShape: [2, 2, 3] }), tf.layers.dense({ units: 2, activation: 'softmax' })],
  });
  made.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
  const kernel = Array.from({ length: 12 }, () => [-1 / 240, 1 / 240]);
  tf.tidy(() => made.setWeights([tf.tensor2d(kernel), tf.tensor1d([6.4, -6.4])]));
  return made;
}

describe('judgeImages', () => {
  before(useTestEngine);

  it('gives accuracy, confusion and the hardest pictures by the bound of their gradient', async () => {
    const made = model();
    const before = tf.memory().numTensors;
    const judged = await judgeImages(made, corpus, { top: 2, batchSize: 2 });
    assert.equal(tf.memory().numTensors, before);
    assert.equal(judged.accuracy, 0.8);
    assert.deepEqual(judged.confusion, [
      [3, 1],
      [0, 1],
    ]);
    assert.deepEqual(
      judged.hardest.map(({ id }) => id),
      ['s:3', 's:4'],
    );
    // ‖softmax(z) − onehot‖ of two classes is √2 times the probability of the other one
    const other = (shade: number, label: number) =>
      1 / (1 + Math.exp((label === 0 ? 1 : -1) * 2 * ((128 - shade) / 20)));
    const scores = shades.map((shade, i) => Math.SQRT2 * other(shade, labels[i]!));
    const mean = scores.reduce((sum, score) => sum + score, 0) / 5;
    const [worst] = judged.hardest;
    assert.ok(Math.abs(worst!.score - scores[3]!) < 1e-4);
    assert.ok(Math.abs(worst!.weight - mean / scores[3]!) < 1e-4);
    assert.deepEqual([worst!.label, worst!.prediction], [0, 1]);
    assert.deepEqual(
      [...worst!.pixels],
      Array.from({ length: 12 }, () => 230),
    );
    made.dispose();
  });

  it('keeps no picture where none is asked for', async () => {
    const made = model();
    const { hardest, samples } = await judgeImages(made, corpus, { top: 0 });
    assert.deepEqual([hardest, samples], [[], 5]);
    made.dispose();
  });

  it('refuses an empty corpus', async () => {
    const made = model();
    const empty: Corpus = { ...corpus, async *samples() {} };
    await assert.rejects(judgeImages(made, empty), { code: 'ERR_CORPUS', message: /expected pictures/ });
    made.dispose();
  });
});

describe('imageReport', () => {
  before(useTestEngine);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'taustream-sheet-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('writes a page that loads nothing, with thumbnail, label, prediction, score and weight', async () => {
    const made = model();
    const text = await imageReport(made, { folder, corpora: [corpus], classNames: ['dark & dim', 'bright'], top: 3 });
    assert.match(text, /^shades <1>: 80 % of 5 pictures\n/);
    assert.match(text, /\ndark & dim {2}3 {2}1\nbright {6}0 {2}1\n/);
    const page = await readFile(join(folder, 'contact-sheet.html'), 'utf8');
    assert.doesNotMatch(page, /(src|href)="(?!data:)|@import|<script/);
    const items = page.match(/<li.*?<\/li>/gs)!;
    assert.equal(items.length, 3);
    assert.match(items[0], /class="wrong"/);
    assert.match(
      items[0],
      /<b>dark &amp; dim<\/b>\s*<em>taken for bright, 100\u00A0%<\/em>\s*<small>score\u00A01\.41\d · weight\u00A00\.2\d*<\/small><small>s:3/,
    );
    assert.match(page, /shades &lt;1&gt;/);
    const [, jpeg] = /src="data:image\/jpeg;base64,([^"]+)"/.exec(items[0])!;
    const { data } = await sharp(Buffer.from(jpeg!, 'base64')).raw().toBuffer({ resolveWithObject: true });
    assert.ok(Math.abs(data[0]! - 230) < 5);
    const { classNames, corpora } = JSON.parse(await readFile(join(folder, 'confusion.json'), 'utf8'));
    assert.deepEqual(
      [classNames, corpora[0].confusion],
      [
        ['dark & dim', 'bright'],
        [
          [3, 1],
          [0, 1],
        ],
      ],
    );
    made.dispose();
  });

  it('writes the confusion of so many classes that its cells are more than a function takes arguments', async () => {
    const made = tf.sequential({
      layers: [tf.layers.flatten({ inputShape: [2, 2, 3] }), tf.layers.dense({ units: 450, activation: 'softmax' })],
    });
    made.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    const text = await imageReport(made, { folder, corpora: [corpus], top: 1 });
    assert.match(text, /\nclass 0 .*\nclass 1 .*\n[^]*\nclass 449( {2}0){450}\n/);
    made.dispose();
  });

  it('says so when the page cannot be written', async () => {
    const made = model();
    await assert.rejects(imageReport(made, { folder: join(folder, 'no', 'where'), corpora: [corpus] }), {
      code: 'ERR_RUN',
      message: /contact-sheet\.html: cannot be written/,
    });
    made.dispose();
  });
});
