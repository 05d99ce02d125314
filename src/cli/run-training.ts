import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type * as tf from '@tensorflow/tfjs';
import type { Engine, EngineName } from '../engine/engine.ts';
import type { Placement } from '../importance/placement/placement-options.ts';
import { saveModel } from '../model/files.ts';
import type { ModelContext, Pipeline, PipelineCorpus } from '../pipeline.ts';
import { cutAfter, MetricsFile } from '../report/metrics-file.ts';
import type { Progress } from '../report/progress.ts';
import {
  describeMachine,
  describeProcess,
  describeVersions,
  type Run,
  runFormat,
  writeRunFile,
} from '../report/run-file.ts';
import { RunRecorder } from '../report/run-recorder.ts';
import { createRunFolder } from '../report/run-folder.ts';
import type { FitOptions } from '../train/fit-options.ts';
import type { Limits } from '../train/budget.ts';
import { schemeOfMode } from '../train/modes.ts';
import type { FitSummary, StepRecord } from '../train/step-record.ts';
import { Checkpointer, type CheckpointPlan } from './checkpointer.ts';
import type { Host } from './host.ts';
import { expectSameRun, openStoppedRun, type StoppedRun } from './resume-run.ts';

/** What the command line says about a run, before what its pipeline says. */
export interface TrainingRequest {
  /** The pipeline file, as it was given. */
  readonly file: string;
  readonly steps?: number;
  readonly seconds?: number;
  readonly epochs?: number;
  readonly scheme?: string;
  readonly mode?: 'paper' | 'fast';
  readonly engine?: EngineName | 'auto';
  readonly seed?: number;
  /** Where presamples are scored, with which engine, and how far ahead. */
  readonly scoreWhere?: Placement['where'];
  readonly scoreEngine?: EngineName | 'auto';
  readonly scoreAhead?: number;
  /** The run's folder. @default runs/<name> */
  readonly out?: string;
  /** Seconds between checkpoints. @default 60, unless `checkpointSteps` is given */
  readonly checkpointEvery?: number;
  /** Steps between checkpoints. */
  readonly checkpointSteps?: number;
  /** Checkpoints kept. @default 2 */
  readonly keep?: number;
  /** Whether the ids of every minibatch are written too, to `ids.jsonl`. */
  readonly recordIds?: boolean;
  /** Goes on with a run that was stopped: its folder, or `true` for `runs/<name>`. */
  readonly resume?: string | true;
}

/** A run that came to its end, or was interrupted. */
export interface TrainingOutcome {
  readonly folder: string;
  readonly run: Run;
  readonly summary: FitSummary;
  /** What the model wrote, if the pipeline asks it to. */
  readonly text?: string;
}

/**
 * Trains a pipeline into a folder of its own: metrics, checkpoints, the model, and what can be known about the run. The
 * folder is made once corpus and model stand; whatever happens then, its files are closed and `run.json` says how it
 * ended.
 */
export async function runTraining(
  pipeline: Pipeline,
  request: TrainingRequest,
  { host, signal, progress }: { host: Host; signal: AbortSignal; progress?: Progress },
): Promise<TrainingOutcome> {
  const engine = await host.useEngine(request.engine ?? pipeline.options.engine);
  progress?.note(`engine   ${engine.description}`);
  const context = { seed: request.seed ?? pipeline.options.seed, engine, signal };
  const corpus = await pipeline.openCorpus(context);
  signal.throwIfAborted(); // nothing to save yet
  const model = await pipeline.buildModel({ ...context, corpus });
  try {
    const { folder, stopped } = await openFolder(pipeline, request);
    progress?.note(`run      ${folder}`);
    for (const { message } of stopped?.checkpoint?.damaged ?? []) progress?.note(`damaged  ${message}`);
    if (stopped) progress?.note(`resume   after step ${stepsOf(stopped)}`);
    const training = new Training(pipeline, model, { ...context, corpus }, folder, request, stopped);
    return await training.run(host, signal, progress);
  } finally {
    model.optimizer.dispose();
    model.dispose();
  }
}

const stepsOf = ({ checkpoint }: StoppedRun): number => Number(checkpoint?.state['step'] ?? 0);

async function openFolder(
  { options: { name } }: Pipeline,
  { resume, out }: TrainingRequest,
): Promise<{ folder: string; stopped?: StoppedRun }> {
  const usual = join('runs', name);
  if (resume === undefined) return { folder: await createRunFolder(out ?? usual) };
  const folder = resume === true ? (out ?? usual) : resume;
  return { folder, stopped: await openStoppedRun(folder, name) };
}

/** One run in its folder. */
class Training {
  readonly #pipeline: Pipeline;
  readonly #model: tf.LayersModel;
  readonly #context: ModelContext<PipelineCorpus>;
  readonly #folder: string;
  readonly #fitOptions: FitOptions;
  readonly #checkpointer: Checkpointer;
  readonly #stopped: StoppedRun | undefined;
  readonly #recordIds: boolean;
  #run: Run;

  constructor(
    pipeline: Pipeline,
    model: tf.LayersModel,
    context: ModelContext<PipelineCorpus>,
    folder: string,
    request: TrainingRequest,
    stopped: StoppedRun | undefined,
  ) {
    this.#pipeline = pipeline;
    this.#model = model;
    this.#context = context;
    this.#folder = folder;
    this.#fitOptions = { ...fitOptionsOf(pipeline, request, stopped?.run), seed: context.seed };
    this.#stopped = stopped;
    this.#recordIds = request.recordIds ?? false;
    this.#checkpointer = new Checkpointer(join(folder, 'checkpoints'), planOf(request), progressOf(stopped));
    this.#run = {
      format: runFormat,
      name: pipeline.options.name,
      pipeline: request.file,
      status: 'running',
      seed: context.seed,
      engine: describeEngine(context.engine),
      options: plainly(this.#fitOptions),
      versions: describeVersions(),
      machine: describeMachine(),
      model: describeModel(model),
      corpus: describeCorpus(context.corpus),
      process: describeProcess(),
      startedAt: new Date().toISOString(),
    };
    if (!stopped) return;
    expectSameRun(folder, stopped.run, this.#run);
    const { startedAt, resumed = [] } = stopped.run;
    const now = { at: new Date().toISOString(), step: stepsOf(stopped) };
    this.#run = { ...this.#run, startedAt, resumed: [...resumed, now] };
  }

  async run(host: Host, signal: AbortSignal, progress: Progress | undefined): Promise<TrainingOutcome> {
    await this.#note({});
    try {
      const summary = await this.#fit(host, signal, progress);
      progress?.end();
      const text = await this.#save(summary);
      return { folder: this.#folder, run: this.#run, summary, ...(text !== undefined && { text }) };
    } catch (failure) {
      await this.#checkpointer.settle();
      const error = firstOf(failure);
      const message = error instanceof Error ? error.message : String(error);
      await this.#note({ status: 'failed', error: message }).catch(() => {}); // the first error is the one to report
      throw error;
    }
  }

  async #fit(host: Host, signal: AbortSignal, progress: Progress | undefined): Promise<FitSummary> {
    const { validation, train } = this.#context.corpus;
    const checkpoint = this.#stopped?.checkpoint;
    using metrics = await this.#openLines<StepRecord>('metrics.jsonl');
    using recorder = await RunRecorder.open(this.#folder, this.#stopped && stepsOf(this.#stopped));
    using ids = this.#recordIds ? await this.#openLines<TrainedIds>('ids.jsonl') : undefined;
    const breathe = breather();
    let trained: readonly string[] = [];
    return await host.fit(this.#model, train, {
      ...this.#fitOptions,
      ...(validation && { validation }),
      ...(checkpoint && { resume: checkpoint }),
      signal,
      onMinibatch: (batch) => {
        trained = batch.ids;
        recorder.minibatch(batch);
      },
      onScores: (_, scores) => recorder.scores(scores),
      onStep: async (record, snapshot) => {
        metrics.write(record);
        ids?.write({ step: record.step, ids: trained });
        recorder.step(record);
        progress?.step(record);
        this.#checkpointer.step(record, () => {
          for (const file of [metrics, ids, recorder]) file?.flush(); // a checkpoint never knows more than they do
          return snapshot();
        });
        await breathe();
      },
      onEnd: async (snapshot) => {
        recorder.finish();
        await this.#checkpointer.finish(snapshot);
      },
    });
  }

  /** Opens a file of a line a step. What a run that goes on will write anew is cut off first. */
  async #openLines<Line extends { readonly step: number }>(name: string): Promise<MetricsFile<Line>> {
    const path = join(this.#folder, name);
    if (this.#stopped) await cutAfter(path, stepsOf(this.#stopped));
    return new MetricsFile<Line>(path, this.#stopped !== undefined);
  }

  async #save(summary: FitSummary): Promise<string | undefined> {
    await saveModel(this.#model, join(this.#folder, 'model'), this.#context.corpus.files);
    const status = summary.stoppedBy === 'signal' ? 'interrupted' : 'finished';
    await this.#note({ status, summary, endedAt: new Date().toISOString() });
    return this.#pipeline.writes?.({ ...this.#context, model: this.#model });
  }

  async #note(news: Partial<Run>): Promise<void> {
    this.#run = { ...this.#run, ...news };
    await writeRunFile(join(this.#folder, 'run.json'), this.#run);
  }
}

/** What went wrong first, where closing a file went wrong after it. */
function firstOf(failure: unknown): unknown {
  let first = failure;
  while (first instanceof Error && first.name === 'SuppressedError' && 'suppressed' in first) first = first.suppressed;
  return first;
}

/** A line of `ids.jsonl`. */
interface TrainedIds {
  readonly step: number;
  readonly ids: readonly string[];
}

const planOf = ({ checkpointEvery, checkpointSteps, keep }: TrainingRequest): CheckpointPlan => ({
  seconds: checkpointEvery ?? (checkpointSteps === undefined ? 60 : undefined),
  steps: checkpointSteps,
  keep,
});

const progressOf = (stopped: StoppedRun | undefined) => ({
  step: stopped ? stepsOf(stopped) : 0,
  seconds: Number(stopped?.checkpoint?.state['seconds'] ?? 0),
});

/**
 * The command line's word before the pipeline's. A limit there takes the place of all limits of the pipeline, and of
 * those that a run which goes on began with.
 */
function fitOptionsOf({ options }: Pipeline, request: TrainingRequest, before: Run | undefined): FitOptions {
  const { name: _name, engine: _engine, steps, seconds, epochs, ...rest } = options;
  const limited = (request.steps ?? request.seconds ?? request.epochs) !== undefined;
  const limits: Limits = limited ? request : ((before?.options as Limits | undefined) ?? { steps, seconds, epochs });
  const scheme = request.scheme ?? options.scheme;
  const score = placementOf(request);
  return {
    ...rest,
    ...(score && { score: { ...rest.score, ...score } }),
    ...(limits.steps !== undefined && { steps: limits.steps }),
    ...(limits.seconds !== undefined && { seconds: limits.seconds }),
    ...(limits.epochs !== undefined && { epochs: limits.epochs }),
    ...(scheme !== undefined && { scheme }),
    ...(request.mode !== undefined && { mode: request.mode }),
  };
}

/** What the command line says of where presamples are scored; it takes the place of its namesakes alone. */
function placementOf({
  scoreWhere: where,
  scoreEngine: engine,
  scoreAhead: ahead,
}: TrainingRequest): FitOptions['score'] {
  const said = Object.entries({ where, engine, ahead }).filter(([, value]) => value !== undefined);
  return said.length === 0 ? undefined : Object.fromEntries(said);
}

/** Options as JSON can hold them: a scheme by its name, a function by the word. */
const plainly = ({ mode = 'paper', scheme = schemeOfMode(mode), ...options }: FitOptions): Record<string, unknown> => ({
  mode,
  ...Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name, typeof value === 'function' ? 'a function' : value]),
  ),
  scheme: typeof scheme === 'string' ? scheme : scheme.name,
});

/**
 * Lets timers, signals and files have their turn now and then. Steps on an engine in this process may follow each other
 * without ever going back to the event loop, and then Ctrl-C would not be heard.
 */
function breather(everyMs = 20): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < everyMs) return;
    await setImmediate();
    last = performance.now();
  };
}

const describeEngine = ({ name, description }: Engine): Run['engine'] => ({ name, description });

const describeModel = (model: tf.LayersModel): Run['model'] => ({
  name: model.name,
  parameters: parametersIn(model.weights),
  trained: parametersIn(model.trainableWeights),
});

const parametersIn = (weights: readonly tf.LayerVariable[]) =>
  weights.reduce((sum, { shape }) => sum + shape.reduce<number>((product, axis) => product * (axis ?? 1), 1), 0);

const describeCorpus = ({ train, validation }: PipelineCorpus): Run['corpus'] => ({
  name: train.name,
  ...(train.length !== undefined && { samples: train.length }),
  ...(validation?.length !== undefined && { validationSamples: validation.length }),
});
