import type * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { modelScorer } from '../importance/model-scorer.ts';
import { upperBound } from '../importance/upper-bound.ts';
import { openHead } from '../model/head.ts';
import { parseOptions } from '../options.ts';
import { presample } from '../presample/presample.ts';
import { gainOf } from '../resample/noise-scale.ts';
import { tau } from '../resample/tau.ts';
import { tauGate } from '../resample/tau-gate.ts';
import type { Presample } from '../stream/presample.ts';
import type { Corpus } from '../stream/sample.ts';
import type { FitOptions } from '../train/fit-options.ts';
import { fit } from '../train/fit.ts';
import type { StepRecord } from '../train/step-record.ts';
import { percent, significant } from './format.ts';

export const AdviseOptions = z.strictObject({
  /** Seconds of training that the measurements are made after. @default 30 */
  seconds: z.number().positive().default(30),
  /** Steps, in place of seconds. */
  steps: z.int().positive().optional(),
});

/** Settings that were looked at, and what each would be worth. */
export interface Prospect {
  readonly presampleSize: number;
  readonly draws: number;
  readonly tau: number;
  /** How many times as long a gated step takes. */
  readonly slowdown: number;
  /** How many times as much progress it makes, at the best rate. */
  readonly gain: number;
  /** Progress a second against uniform's: gain / slowdown. */
  readonly worth: number;
}

export interface Advice {
  readonly steps: number;
  /** Milliseconds to score a sample, and to train on one. */
  readonly scoreMs: number;
  readonly stepMs: number;
  /** The gradient noise scale, in samples. */
  readonly noiseScale: number;
  /** Share of the samples whose score is below a tenth of the mean: what need not be trained on now. */
  readonly easyShare: number;
  readonly prospects: readonly Prospect[];
  readonly best: Prospect;
  /** Whether importance sampling would pay here, as far as this can tell. */
  readonly pays: boolean;
  readonly text: string;
}

/** Less than this is not worth promising. */
const worthwhile = 1.05;

/**
 * How many times as long a gated step may take, at most, for a promise. The gain is that of an ideal learning rate, and
 * in the comparisons of docs/schemes.md no scheme that scores made up for more: where it promised 1.6 to 9 times the
 * progress in 1.3 times the time or more, the error was level or higher.
 */
const nearlyFree = 1.1;

/** A share of easy samples from which leaving half of them out lowered the train loss most in these comparisons. */
const manyEasy = 0.5;

/**
 * Measures whether importance sampling would pay for a model on a corpus: trains uniformly for a while, in which it
 * learns the gradient noise scale, then scores presamples of several sizes. The model is trained on.
 *
 * @param options those of the run that is planned, `lengths` included; its limits and scheme do not count
 * @throws {OptionsError} when an option is unknown or out of range, and what `fit` throws
 * @example
 * const { text, pays } = await advise(model, corpus, { batchSize: 64, learningRate: 0.05 }, { seconds: 60 });
 */
export async function advise(
  model: tf.LayersModel,
  corpus: Corpus,
  options: Omit<FitOptions, 'steps' | 'seconds' | 'epochs'>,
  measuring: z.input<typeof AdviseOptions> = {},
): Promise<Advice> {
  const { seconds, steps } = parseOptions('advise()', AdviseOptions, measuring);
  const records: StepRecord[] = [];
  const { batchSize: b = 128, scoreBatchSize = 256, seed = 0 } = options;
  await fit(model, corpus, {
    ...options,
    ...(steps === undefined ? { seconds } : { steps }),
    scheme: 'upper-bound',
    mode: 'paper',
    presampleSize: Math.max(b, options.presampleSize ?? 0),
    tauThreshold: Infinity,
    rateScaling: 'gain', // for which the noise scale is measured; no step is drawn, so no rate is scaled
    onStep: async (record, snapshot) => {
      records.push(record);
      await options.onStep?.(record, snapshot);
    },
  });
  const stepMs =
    median(records.slice(1).map(({ seconds: now, waitedMs }, i) => 1000 * (now - records[i]!.seconds) - waitedMs)) / b;
  const noiseScale = records.at(-1)?.noiseScale ?? 0;
  const scorer = modelScorer(openHead(model), { scheme: upperBound, schema: corpus.schema, scoreBatchSize });
  const seen: { size: number; tau: number; scores: Float32Array; msPerSample: number }[] = [];
  const { lengths } = options;
  for (const size of [2 * b, 5 * b, 10 * b])
    seen.push(await score(scorer, corpus, { presampleSize: size, batchSize: b, lengths, seed }));
  const scoreMs = median(seen.map(({ msPerSample }) => msPerSample));
  const prospects = seen.flatMap(({ size, tau: t }) => [1, 2, 4].map((draws) => prospectOf(size, draws, t)));

  function prospectOf(presampleSize: number, draws: number, t: number): Prospect {
    const slowdown = 1 + (presampleSize * scoreMs) / (draws * b * stepMs);
    const gain = gainOf(noiseScale / b, t);
    return { presampleSize, draws, tau: t, slowdown, gain, worth: gain / slowdown };
  }

  const best = prospects.toSorted((x, y) => y.worth - x.worth)[0]!;
  const { scores } = seen.at(-1)!;
  const mean = scores.reduce((sum, value) => sum + value, 0) / scores.length;
  const easyShare = scores.filter((value) => value < mean / 10).length / scores.length;
  const facts = { steps: records.length, scoreMs, stepMs, noiseScale, easyShare, prospects, best };
  const pays = best.worth > worthwhile && best.slowdown <= nearlyFree;
  return { ...facts, pays, text: adviceText({ ...facts, pays }, b) };
}

interface Sizes extends Pick<FitOptions, 'lengths'> {
  readonly presampleSize: number;
  readonly batchSize: number;
  readonly seed: number;
}

/**
 * Scores presamples until they hold so many samples: one, or with buckets of lengths as many as come first. τ is their
 * mean, each presample's by its samples. What an engine compiles at a shape's first scoring does not count.
 */
async function score(scorer: ReturnType<typeof modelScorer>, corpus: Corpus, sizes: Sizes) {
  const scores: number[] = [];
  let [ms, weighted] = [0, 0];
  for await (const buffer of presamples(corpus, sizes))
    try {
      await scorer.score(buffer);
      const begun = performance.now();
      const own = await scorer.score(buffer);
      ms += performance.now() - begun;
      weighted += tau(own) * own.length;
      scores.push(...own);
      if (scores.length >= sizes.presampleSize) break;
    } finally {
      buffer.dispose();
    }
  return {
    size: sizes.presampleSize,
    tau: weighted / scores.length,
    scores: Float32Array.from(scores),
    msPerSample: ms / scores.length,
  };
}

function presamples(corpus: Corpus, { presampleSize, batchSize, lengths, seed }: Sizes): AsyncGenerator<Presample> {
  const gate = tauGate({ tauThreshold: 0 });
  const fill = presample({ schema: corpus.schema, gate, presampleSize, batchSize, lengths });
  return fill(corpus.samples({ seed: seed + 1 }));
}

/**
 * The advice in words.
 * @example
 * const advice = await advise(model, corpus, { batchSize: 32, seed: 7 }, { steps: 30 });
 * adviceText({ ...advice, pays: false }, 32); // the words, were the measured gain no gain
 */
export function adviceText(advice: Omit<Advice, 'text'>, batchSize: number): string {
  const { steps, scoreMs, stepMs, noiseScale, easyShare, best, pays } = advice;
  const noise =
    noiseScale < batchSize
      ? `Noise does not limit the steps: the gradient noise scale is ${significant(noiseScale)} samples, below the minibatch of ${batchSize}.`
      : `Noise limits the steps: the gradient noise scale is ${significant(noiseScale)} samples, the minibatch ${batchSize}.`;
  const measured =
    `After ${steps} steps scoring a sample costs ${percent(scoreMs / stepMs)} of training on it, ` +
    `τ is ${best.tau.toFixed(2)} among ${best.presampleSize}, and ${percent(easyShare)} of the samples are easy by now.`;
  const easy =
    `Mode \`fast\`, the default, leaves out half of the easy samples, ${percent(easyShare)} by now, and scores for nothing: ` +
    (easyShare < manyEasy
      ? 'level with uniform sampling at worst.'
      : 'its train loss tends to fall faster by that; its test error only where the learning rate is below the best.');
  const verdict = pays
    ? `Drawing by scores may pay: up to ${percent(best.worth - 1)} more progress a second, with a presample of ${best.presampleSize}, ` +
      `${best.draws === 1 ? 'one minibatch' : `${best.draws} minibatches`} drawn from it, and a learning rate up to ${best.gain.toFixed(2)} times as high in these steps. Try \`--scheme upper-bound\`, and compare.`
    : best.worth > worthwhile
      ? `Drawing by scores would hardly pay: with an ideal learning rate a step makes ${best.gain.toFixed(2)} times the progress, but it takes ${best.slowdown.toFixed(2)} times the time, and wherever scoring was not nearly free no comparison has borne that out. It may where it is: \`--score-where process\` on a core of its own.`
      : `Drawing by scores would not pay yet: at best a step makes ${best.gain.toFixed(2)} times the progress in ${best.slowdown.toFixed(2)} times the time. τ may grow later.`;
  return `${verdict}\n${easy}\n${noise}\n${measured}`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 1;
}
