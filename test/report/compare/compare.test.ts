import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { activeEngine } from '../../../src/engine/use-engine.ts';
import { OptionsError, RunError } from '../../../src/errors.ts';
import { definePipeline, type Pipeline } from '../../../src/pipeline.ts';
import { compare, type Comparison } from '../../../src/report/compare/compare.ts';
import { comparisonPage } from '../../../src/report/compare/page.ts';
import { cellsOf, comparisonText } from '../../../src/report/compare/table.ts';
import { writeComparison } from '../../../src/report/compare/write-comparison.ts';
import { clusters } from '../../importance/toys.ts';
import { useTestEngine } from '../../test-engine.ts';

const orders: string[] = [];
const pipeline = definePipeline({
  name: 'clusters',
  corpus: () => ({ train: clusters(96), validation: clusters(48) }),
  // Unseeded on purpose: the comparison itself makes the runs of a seed start alike.
  model: () =>
    tf.sequential({
      layers: [
        tf.layers.dense({ units: 8, activation: 'relu', inputShape: [2] }),
        tf.layers.dense({ units: 4, activation: 'softmax' }),
      ],
    }),
  loss: 'sparseCategoricalCrossentropy',
  optimizer: 'momentum',
  learningRate: 0.05,
  metrics: ['accuracy'],
  batchSize: 8,
  presampleSize: 24,
  tauThreshold: 1.05,
  seconds: 5,
}) as unknown as Pipeline;

describe('compare', () => {
  let comparison: Comparison;
  before(useTestEngine);
  before(async () => {
    comparison = await compare(
      pipeline,
      {
        schemes: ['uniform', 'upper-bound', 'hard-negative', 'fast'],
        steps: 60,
        seeds: 2,
        firstSeed: 3,
        onRun: ({ scheme, seed }, run) => void (run ?? orders.push(`${seed} ${scheme}`)),
      },
      activeEngine()!,
    );
  });

  it('runs every scheme with every seed for the same budget, in turns', () => {
    assert.equal(comparison.runs.length, 8);
    assert.ok(comparison.runs.every(({ summary }) => summary.steps === 60));
    assert.deepEqual(orders.slice(0, 5), ['3 uniform', '3 upper-bound', '3 hard-negative', '3 fast', '4 upper-bound']);
  });

  it('starts the runs of a seed from the same weights', () => {
    for (const seed of [3, 4]) {
      const losses = comparison.runs
        .filter((run) => run.seed === seed)
        .map(({ summary }) => summary.validation.first!['loss']!);
      assert.ok(
        losses.every((loss) => Math.abs(loss - losses[0]!) < 1e-6),
        losses.join(),
      );
    }
    const [one, other] = [3, 4].map((seed) => comparison.runs.find((run) => run.seed === seed)!);
    assert.notEqual(one!.summary.validation.first!['loss'], other!.summary.validation.first!['loss']);
  });

  it('gives uniform the very run that fit gives', () => {
    const uniform = comparison.runs.filter(({ scheme }) => scheme === 'uniform');
    for (const { summary, measures, trainLoss } of uniform) {
      assert.equal(summary.openShare, 0);
      assert.equal(measures, summary.validation.last);
      assert.ok(trainLoss < summary.validation.first!['loss']!);
    }
  });

  it('validates along the run, eight times', () => {
    for (const { curve } of comparison.runs) assert.equal(curve.filter(({ validation }) => validation).length, 8);
  });

  it('lets the learning rate fall to nothing', async () => {
    const watched = { ...pipeline, options: { ...pipeline.options, onStep: undefined } } as Pipeline;
    const one = await compare(watched, { schemes: ['uniform'], steps: 50, seeds: 1 }, activeEngine()!);
    assert.equal(one.learningRate, 'cosine from 0.05');
    assert.match(one.verdict.sentence, /alone was run/);
  });

  it('says what the differences are worth, by the test error', () => {
    const { criterion, rows, sentence } = comparison.verdict;
    assert.equal(criterion, 'test error');
    assert.equal(rows[0]!.difference, undefined);
    assert.match(sentence, /^At 60 steps, compared with uniform in test error: upper-bound is (lower|higher) by/);
    assert.match(sentence, /Paired t-test over 2 seeds, adjusted by Holm\.$/);
    const errors = comparison.runs
      .filter(({ scheme }) => scheme === 'fast')
      .map(({ measures }) => 1 - measures['acc']!);
    assert.ok(Math.abs(rows[3]!.criterion.mean - (errors[0]! + errors[1]!) / 2) < 1e-12);
  });

  it('prints a table of equal columns', () => {
    const lines = comparisonText(comparison).split('\n');
    assert.match(lines[0]!, /^scheme +test error +train loss +steps +open +τ +against the first$/);
    assert.equal(lines.slice(0, 5).filter((line) => line.includes('±')).length, 4);
    assert.equal(cellsOf(comparison).length, 5);
  });

  it('draws a page of its own, with every scheme, and nothing to load', () => {
    const page = comparisonPage(comparison);
    assert.equal(page.match(/<svg/g)!.length, 8);
    assert.equal(
      page.match(/<svg[\s\S]*?<\/svg>/)![0].match(/<path[^>]*stroke-opacity|<path[^>]*d="M[^"]*L/g)!.length >= 8,
      true,
    );
    for (const scheme of comparison.schemes) assert.ok(page.includes(`<td>${scheme}</td>`));
    assert.ok(!/<script|https?:\/\/(?!www\.w3\.org)/.test(page));
  });

  it('leaves room for labels that differ late after the point only', () => {
    const near = (tau: number) => 1 + (tau - 1) / 1e5;
    const runs = comparison.runs.map((run) => ({
      ...run,
      curve: run.curve.map((point) => ({ ...point, tau: near(point.tau) })),
    }));
    const page = comparisonPage({ ...comparison, runs });
    const labels = [...page.matchAll(/aria-label="y-axis tick label"[^>]*>(.*?)<\/g>/gs)].flatMap(([, group]) =>
      [...group!.matchAll(/translate\(([\d.]+),[^>]*>([^<]+)</g)].map(([, right, text]) => ({
        right: Number(right),
        text: text!,
      })),
    );
    assert.ok(
      labels.some(({ text }) => /^1\.0000\d/.test(text)),
      'τ has long labels',
    );
    const glyph = 6; // pixels of a digit at the 10 pixels that the labels are set in
    for (const { right, text } of labels) assert.ok(right - 9 - glyph * text.length >= 0, `${text} ends at ${right}`);
  });

  it('writes data and page whole', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'compare-'));
    try {
      const { data } = await writeComparison(folder, comparison);
      assert.deepEqual((await readdir(folder)).toSorted(), ['comparison.html', 'comparison.json']);
      const read = JSON.parse(await readFile(data, 'utf8')) as Comparison;
      assert.deepEqual(read.runs, JSON.parse(JSON.stringify(comparison.runs)));
      await assert.rejects(writeComparison(join(folder, 'missing'), comparison), RunError);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('refuses schemes and options of no meaning, before anything runs', async () => {
    const engine = activeEngine()!;
    for (const bad of [
      { schemes: [], steps: 1 },
      { schemes: ['uniform', 'uniform'], steps: 1 },
      { schemes: ['unifrom'], steps: 1 },
      { schemes: ['uniform:quick'], steps: 1 },
      { schemes: ['uniform'] },
      { schemes: ['uniform'], steps: 1, seconds: 1 },
      { schemes: ['uniform'], steps: 1, seeds: 0 },
      { schemes: ['uniform'], steps: 1, seeds: 1001 },
      { schemes: ['uniform'], steps: 1, seeds: 1.5 },
      { schemes: ['uniform'], steps: 1, firstSeed: -1 },
      { schemes: ['uniform'], steps: 1, firstSeed: 2 ** 31 + 1 },
    ])
      await assert.rejects(compare(pipeline, bad, engine), OptionsError);
  });
});
