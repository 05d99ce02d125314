import type * as tf from '@tensorflow/tfjs';
import type { z } from 'zod';
import type { Engine } from '../../engine/engine.ts';
import { fuse } from '../../engine/layers/fuse.ts';
import { openHead } from '../../model/head.ts';
import { parseOptions } from '../../options.ts';
import { type Pipeline, type PipelineCorpus, unlimitedFitOptions } from '../../pipeline.ts';
import { evaluate } from '../../train/evaluate.ts';
import { fit } from '../../train/fit.ts';
import type { ScheduleOptions } from '../../train/schedule.ts';
import type { FitSummary, Measures, StepRecord } from '../../train/step-record.ts';
import { CompareOptions, entriesOf, type Entry } from './compare-options.ts';
import { judge, type RunBudget, type Verdict } from './verdict.ts';

/** A point of a run's curve. */
export interface CurvePoint {
  readonly step: number;
  readonly seconds: number;
  /** The minibatches' weighted loss, averaged since the point before. */
  readonly loss: number;
  readonly tau: number;
  readonly validation?: Measures;
}

/** One run: a scheme with a seed. */
export interface ComparedRun {
  readonly scheme: string;
  readonly seed: number;
  readonly summary: FitSummary;
  /** Loss of the trained model on training samples that are the same for all runs, in inference mode. */
  readonly trainLoss: number;
  /** The validation's measures at the end; none without a validation corpus. */
  readonly measures: Measures;
  readonly curve: readonly CurvePoint[];
}

export interface Comparison {
  readonly pipeline: string;
  readonly budget: RunBudget;
  readonly engine: string;
  readonly learningRate: string;
  readonly seeds: readonly number[];
  readonly schemes: readonly string[];
  readonly runs: readonly ComparedRun[];
  readonly verdict: Verdict;
}

export type CompareInput = z.input<typeof CompareOptions> & {
  /** What is compared: names of schemes, `NAME:fast`, or `fast`. The first is what the others are measured against. */
  readonly schemes: readonly string[];
  readonly signal?: AbortSignal;
  /** Whether each scheme takes a few steps beforehand that do not count, where the budget is one of time. @default true */
  readonly warmUp?: boolean;
  /** Data in place of the pipeline's own. */
  readonly corpusPath?: string;
  /** Called before each run, and after it with what it gave. */
  readonly onRun?: (entry: { scheme: string; seed: number }, run?: ComparedRun) => void;
};

/**
 * Compares schemes on one pipeline, fairly: every run has the same budget, in which its learning rate decays fully; the
 * runs of a seed start from the same weights and see the samples in the same order; schemes take turns in a different
 * order for each seed, so that a machine growing slower favours none, after a few steps of each that do not count.
 *
 * @param engine the active engine
 * @returns every run, and what their difference is worth
 * @throws {OptionsError} when an option or a scheme is unknown or out of range
 * @example
 * const comparison = await compare(pipeline, { schemes: ['uniform', 'upper-bound'], seconds: 30, seeds: 5 }, engine);
 * console.log(comparison.verdict.sentence);
 */
export async function compare(pipeline: Pipeline, input: CompareInput, engine: Engine): Promise<Comparison> {
  const { schemes, signal, onRun, corpusPath, warmUp = true, ...plain } = input;
  const options = parseOptions('compare()', CompareOptions, plain);
  const entries = entriesOf(schemes, pipeline.options.scheme);
  const seeds = Array.from({ length: options.seeds }, (_, i) => options.firstSeed + i);
  const schedule = decaying(pipeline.options.learningRate);
  const runs: ComparedRun[] = [];
  for (const [turn, seed] of seeds.entries()) {
    const corpus = await pipeline.openCorpus({
      seed,
      engine,
      ...(signal && { signal }),
      ...(corpusPath !== undefined && { corpusPath }),
    });
    const build = await sameWeights(pipeline, { seed, engine, corpus });
    if (warmUp && turn === 0 && options.seconds !== undefined)
      await warmUpOnce(pipeline, entries, { seed, corpus, build, options, schedule, signal });
    for (const entry of rotated(entries, turn)) {
      onRun?.({ scheme: entry.name, seed });
      const run = await runOne(pipeline, { entry, seed, corpus, build, options, schedule, signal });
      runs.push(run);
      onRun?.({ scheme: entry.name, seed }, run);
      signal?.throwIfAborted();
    }
  }
  const names = entries.map(({ name }) => name);
  const { name } = pipeline.options;
  const { seconds, steps, clock } = options;
  const budget = { seconds, steps, ...(clock === 'processor' && { clock }) };
  return {
    pipeline: name,
    budget,
    engine: engine.description,
    seeds,
    schemes: names,
    runs,
    learningRate: describeSchedule(schedule),
    verdict: judge(runs, names, budget),
  };
}

interface RunContext {
  readonly entry: Entry;
  readonly seed: number;
  readonly corpus: PipelineCorpus;
  readonly build: () => Promise<tf.LayersModel>;
  readonly options: z.output<typeof CompareOptions>;
  readonly schedule: ScheduleOptions | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A few steps of each that do not count: an engine starts slowly, and the first scheme should not pay for all. */
async function warmUpOnce(
  pipeline: Pipeline,
  entries: readonly Entry[],
  context: Omit<RunContext, 'entry'>,
): Promise<void> {
  const options = { ...context.options, seconds: undefined, steps: 3, validations: 0, trainSamples: 1 };
  for (const entry of entries) await runOne(pipeline, { ...context, entry, options });
}

async function runOne(pipeline: Pipeline, context: RunContext): Promise<ComparedRun> {
  const { entry, seed, corpus, build, options, schedule, signal } = context;
  const model = await build();
  const curve = new Curve();
  try {
    const summary = await fit(model, corpus.train, {
      ...unlimitedFitOptions(pipeline),
      ...(entry.scheme !== undefined && { scheme: entry.scheme }),
      mode: entry.mode,
      seed,
      clock: options.clock,
      validateEvery: 0,
      validations: options.validations,
      ...(options.seconds !== undefined && { seconds: options.seconds }),
      ...(options.steps !== undefined && { steps: options.steps }),
      ...(schedule !== undefined && { learningRate: schedule }),
      ...(corpus.validation && { validation: corpus.validation }),
      // Of its own, since what listens to it listens as long as it lives.
      ...(signal && { signal: AbortSignal.any([signal]) }),
      onStep: (record) => curve.add(record),
    });
    const { loss } = await evaluate(openHead(model), corpus.train, { limit: options.trainSamples });
    return {
      scheme: entry.name,
      seed,
      summary,
      trainLoss: loss!,
      curve: curve.points,
      measures: summary.validation.last ?? {},
    };
  } finally {
    model.optimizer.dispose();
    model.dispose();
  }
}

/** A maker of models that all have the weights of the first, whether the pipeline seeds them or not. */
async function sameWeights(pipeline: Pipeline, context: Parameters<Pipeline['buildModel']>[0]) {
  const first = await pipeline.buildModel(context);
  const weights = await Promise.all(
    first.getWeights().map(async (weight) => ({ shape: weight.shape, data: await weight.data<'float32'>() })),
  );
  first.optimizer.dispose();
  first.dispose();
  return async () => {
    const model = await pipeline.buildModel(context);
    const { tensor } = await import('@tensorflow/tfjs');
    const values = weights.map(({ shape, data }) => tensor(data.slice(), shape));
    model.setWeights(values);
    for (const value of values) value.dispose();
    fuse(model);
    return model;
  };
}

/** A rate that does not fall over the budget is made to: what is compared are finished runs, not runs cut off. */
function decaying(schedule: ScheduleOptions | undefined): ScheduleOptions | undefined {
  if (typeof schedule === 'number') return { kind: 'cosine', rate: schedule };
  if (typeof schedule === 'object' && schedule.kind === 'constant') return { ...schedule, kind: 'cosine' };
  return schedule;
}

const describeSchedule = (schedule: ScheduleOptions | undefined): string => {
  if (schedule === undefined) return "the optimizer's own, constant";
  if (typeof schedule !== 'object') return typeof schedule === 'function' ? 'a function' : String(schedule);
  return `${schedule.kind} from ${schedule.rate}`;
};

const rotated = <Item>(items: readonly Item[], by: number): Item[] =>
  items.map((_, i) => items[(i + by) % items.length]!);

/** Gathers about 200 points of a run, and every validation. */
class Curve {
  readonly points: CurvePoint[] = [];
  #losses: number[] = [];
  #share = 0;

  add({ step, seconds, share, loss, tau, validation }: StepRecord): void {
    this.#losses.push(loss);
    if (share < this.#share && !validation) return;
    const mean = this.#losses.reduce((sum, value) => sum + value, 0) / this.#losses.length;
    this.points.push({ step, seconds, loss: mean, tau, ...(validation && { validation }) });
    this.#losses = [];
    this.#share = share + 1 / 200;
  }
}
