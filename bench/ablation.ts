/**
 * The paper's ablation at a small size: as a network trains, how far are minibatches drawn by each scheme from the mean
 * gradient of what they are drawn from, and do the scheme's scores follow the exact gradient norms?
 *
 *     node --import tsx bench/ablation.ts [--model cnn|lstm|both] [--updates 800] [--every 200] [--samples 1024] [--batch 128]
 *                                         [--repeats 8] [--seed 1] [--engine auto] [--out bench/results/ablation]
 *
 * Every `--every` updates of uniform training it takes `--samples` samples, resamples `--batch` of them `--repeats` times
 * by each scheme, and prints
 *
 *     ‖ 1/b Σ w_i g_i − 1/B Σ g_i ‖₂ / the same of uniform draws          (Katharopoulos & Fleuret 2018, Figure 1)
 *
 * exactly, too: the expected squared distance of a draw with replacement is (1/b) (Σ_i |g_i|² / (B² p_i) − |mean g|²).
 * With `--out` it writes numbers as JSON and both figures as SVG.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import * as tf from '@tensorflow/tfjs';
import type { EngineName } from '../src/engine/engine.ts';
import { fuse } from '../src/engine/layers/fuse.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { modelScorer } from '../src/importance/model-scorer.ts';
import { schemeOf } from '../src/importance/schemes.ts';
import { exactNorms } from '../src/model/gradient-norms.ts';
import { openHead } from '../src/model/head.ts';
import { presample } from '../src/presample/presample.ts';
import { probabilities } from '../src/resample/draw.ts';
import { select } from '../src/resample/select.ts';
import { Smoothing, SmoothingOptions } from '../src/resample/smoothing.ts';
import { tauOfDraw } from '../src/resample/tau.ts';
import { tauGate } from '../src/resample/tau-gate.ts';
import type { Presample } from '../src/stream/presample.ts';
import { createRng } from '../src/stream/random.ts';
import type { Corpus } from '../src/stream/sample.ts';
import { proportional } from '../src/stream/selection.ts';
import { fit } from '../src/train/fit.ts';
import { correlation, ranks } from './ablation/correlation.ts';
import { tasks } from './tasks/tasks.ts';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'both' },
    updates: { type: 'string', default: '800' },
    every: { type: 'string', default: '200' },
    samples: { type: 'string', default: '1024' },
    batch: { type: 'string', default: '128' },
    repeats: { type: 'string', default: '8' },
    seed: { type: 'string', default: '1' },
    engine: { type: 'string', default: 'auto' },
    out: { type: 'string' },
  },
});
const [updates, every, B, b] = [flags.updates, flags.every, flags.samples, flags.batch].map(Number) as [
  number,
  number,
  number,
  number,
];
const [repeats, seed] = [Number(flags.repeats), Number(flags.seed)];
const compared = ['uniform', 'loss', 'upper-bound', 'gradient-norm'];

interface Point {
  readonly update: number;
  readonly scheme: string;
  /** Mean over the repeats of the distance, over uniform's. */
  readonly distance: number;
  /** Root of the expected squared distance, exactly, over uniform's. */
  readonly expected: number;
  /** Pearson's and Spearman's correlation of the scores with the exact gradient norms. */
  readonly pearson: number;
  readonly spearman: number;
  /**
   * Spread of exact gradient norm / score over the samples, as standard deviation over mean: 0 where the score is the norm
   * but for a constant, as the bound takes it to be.
   */
  readonly spread: number;
  readonly tau: number;
}

const engine = await useEngine(flags.engine as EngineName | 'auto');
console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ${engine.description}, seed ${seed}`,
);
console.log(`B ${B}, b ${b}, ${repeats} draws a point`);
const runs = { cnn: 'mnist-cnn', lstm: 'pixel-lstm' } as const;
for (const [name, task] of Object.entries(runs)) if (flags.model === 'both' || flags.model === name) await ablate(task);

async function ablate(task: string): Promise<void> {
  const pipeline = tasks[task]!;
  const context = { seed, engine };
  const corpus = await pipeline.openCorpus(context);
  const model = await pipeline.buildModel({ ...context, corpus });
  fuse(model);
  const points: Point[] = [];
  let scatter: { scheme: string; exact: number; p: number }[] = [];
  console.log(`\n${task}\nupdate  scheme         distance  expected  Pearson  Spearman     τ  spread of norm / score`);
  for (let update = 0; update <= updates; update += every) {
    if (update > 0)
      await fit(model, corpus.train, {
        batchSize: b,
        presampleSize: b,
        steps: every,
        scheme: 'uniform',
        seed: seed + update,
        learningRate: task === 'pixel-lstm' ? 0.002 : 0.05,
        ...(task === 'pixel-lstm' && { clipNorm: 1 }),
      });
    const measured = await measure(model, corpus.train, update);
    points.push(...measured.points);
    ({ scatter } = measured);
    for (const point of measured.points.slice(1))
      console.log(
        `${String(update).padStart(6)}  ${point.scheme.padEnd(13)}  ${point.distance.toFixed(3).padStart(8)}  ${point.expected.toFixed(3).padStart(8)}  ` +
          `${point.pearson.toFixed(3).padStart(7)}  ${point.spearman.toFixed(3).padStart(8)}  ${point.tau.toFixed(2)}  ${point.spread.toFixed(2)}`,
      );
  }
  model.dispose();
  if (flags.out !== undefined) await write(join(flags.out, task), points, scatter);
}

/** One point of the figures, at the model's present parameters. */
async function measure(model: tf.LayersModel, corpus: Corpus, update: number) {
  const head = openHead(model);
  const buffer = await firstPresample(corpus, update);
  const byHead = (scheme: string) =>
    modelScorer(head, { scheme: schemeOf(scheme), schema: corpus.schema, scoreBatchSize: 256 });
  const norms = exactNorms(head);
  const exactScorer = modelScorer(head, {
    schema: corpus.schema,
    name: 'gradient-norm',
    scoreBatchSize: norms.batchSize,
    scoreBatch: (inputs, targets, mask) => norms.of(inputs, targets, mask),
  });
  const exact = await exactScorer.score(buffer);
  const scoresBy: Record<string, Float32Array> = {
    uniform: new Float32Array(buffer.size).fill(1),
    loss: await byHead('loss').score(buffer),
    'upper-bound': await byHead('upper-bound').score(buffer),
    'gradient-norm': exact,
  };
  const gradientOf = gradientFunction(model, buffer);
  const everything = Int32Array.from({ length: buffer.size }, (_, row) => row);
  const mean = gradientOf(everything, new Float32Array(buffer.size).fill(1));
  const squaredMean = mean.reduce((sum, value) => sum + value * value, 0);
  const rng = createRng(seed, 'ablation', update);
  const rows = compared.map((scheme) => {
    const scores = scoresBy[scheme]!;
    const g = probabilities(scores);
    const second = exact.reduce((sum, norm, i) => (g[i] === 0 ? sum : sum + norm ** 2 / (buffer.size ** 2 * g[i]!)), 0);
    let distance = 0;
    for (let i = 0; i < repeats; i++) {
      const smoothing = new Smoothing(SmoothingOptions.parse({}));
      const [pick] = select(
        scores,
        { tau: 1, share: 0 },
        { selection: proportional, smoothing, batchSize: b, draws: 1, rng },
      );
      const drawn = gradientOf(pick!.picks, pick!.weights);
      distance += Math.sqrt(drawn.reduce((sum, value, j) => sum + (value - mean[j]!) ** 2, 0)) / repeats;
    }
    return { scheme, distance, expected: Math.sqrt((second - squaredMean) / b), scores, g };
  });
  const points = rows.map(({ scheme, distance, expected, scores, g }): Point => ({
    update,
    scheme,
    distance: distance / rows[0]!.distance,
    expected: expected / rows[0]!.expected,
    pearson: correlation(scores, exact),
    spearman: correlation(ranks(scores), ranks(exact)),
    spread: spreadOfRatio(exact, scores),
    tau: tauOfDraw(exact, g),
  }));
  const g = probabilities(exact);
  const scatter = rows
    .slice(1, 3)
    .flatMap((row) => [...g].map((p, i) => ({ scheme: row.scheme, exact: p, p: row.g[i]! })));
  buffer.dispose();
  return { points, scatter };
}

async function firstPresample(corpus: Corpus, update: number): Promise<Presample> {
  const gate = tauGate({ tauThreshold: 0 });
  const samples = corpus.samples({ seed: 1000 + seed + update });
  for await (const buffer of presample({ schema: corpus.schema, gate, presampleSize: B, batchSize: b })(samples))
    return buffer;
  throw new Error('The corpus is empty.');
}

/** ∇ of the weighted mean loss of rows of a presample, laid end to end; dropout off. */
function gradientFunction(model: tf.LayersModel, buffer: Presample) {
  const head = openHead(model);
  const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
  return (picks: Int32Array, weights: Float32Array): Float32Array =>
    tf.tidy(() => {
      const rows = tf.tensor1d(picks, 'int32');
      const [x, y] = [tf.gather(buffer.tensor('x'), rows), tf.gather(buffer.tensor('y'), rows)];
      const { grads } = tf.variableGrads(
        () => tf.mean<tf.Scalar>(tf.mul(head.perSampleLoss(head.forward([x], false), [y]), tf.tensor1d(weights))),
        variables,
      );
      const flat = tf.concat(variables.map((variable) => tf.reshape(grads[variable.name]!, [-1])));
      return flat.dataSync<'float32'>();
    });
}

function spreadOfRatio(norms: Float32Array, scores: Float32Array): number {
  const ratios = [...norms].flatMap((norm, i) => (scores[i]! > 1e-6 ? [norm / scores[i]!] : []));
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  return Math.sqrt(ratios.reduce((sum, ratio) => sum + (ratio - mean) ** 2, 0) / ratios.length) / mean;
}

async function write(
  folder: string,
  points: readonly Point[],
  scatter: readonly { scheme: string; exact: number; p: number }[],
) {
  const { document } = parseHTML('<html><body></body></html>') as unknown as {
    document: NonNullable<Plot.PlotOptions['document']>;
  };
  const distances = Plot.plot({
    document,
    width: 560,
    height: 320,
    marginLeft: 50,
    marginRight: 90,
    x: { label: 'updates' },
    y: {
      label: 'distance to the mean gradient, over uniform’s',
      grid: true,
      zero: true,
    },
    marks: [
      Plot.text(
        points,
        Plot.selectLast({
          x: 'update',
          y: 'expected',
          z: 'scheme',
          text: 'scheme',
          dx: 4,
          textAnchor: 'start',
          fill: 'scheme',
        }),
      ),
      Plot.lineY(points, {
        x: 'update',
        y: 'expected',
        stroke: 'scheme',
      }),
      Plot.dot(points, {
        x: 'update',
        y: 'distance',
        stroke: 'scheme',
        r: 2.5,
      }),
    ],
  });
  const likely = scatter.filter(({ exact, p }) => exact > 0 && p > 0);
  const clouds = Plot.plot({
    document,
    width: 560,
    height: 320,
    marginLeft: 60,
    x: {
      type: 'log',
      label: 'probability by the exact gradient norm',
    },
    fx: { label: null },
    y: {
      type: 'log',
      label: 'probability by the scheme',
      grid: true,
    },
    marks: [
      Plot.dot(likely, {
        x: 'exact',
        y: 'p',
        fx: 'scheme',
        stroke: 'scheme',
        r: 1.2,
        strokeOpacity: 0.5,
      }),
    ],
  });
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'ablation.json'),
    `${JSON.stringify({ B, b, repeats, seed, engine: engine.description, points }, undefined, 1)}\n`,
  );
  await writeFile(join(folder, 'distance.svg'), svgOf(distances.outerHTML));
  await writeFile(join(folder, 'scatter.svg'), svgOf(clouds.outerHTML));
}

/** As a file of its own an SVG needs its namespace and a background. */
function svgOf(markup: string): string {
  return markup.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" style="background: white" ');
}
