import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type * as tf from '@tensorflow/tfjs';
import type { Engine, EngineName } from '../engine/engine.ts';
import { fleet } from '../cluster/fleet.ts';
import { messageOf, firstLineOf } from '../errors.ts';
import { saveModel } from '../model/files.ts';
import type { ModelContext, Pipeline, PipelineCorpus } from '../pipeline.ts';
import { BadSamplesFile } from '../report/bad-samples-file.ts';
import { writeFleetFile } from '../report/fleet-file.ts';
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
import type { FitSummary, StepRecord } from '../train/step-record.ts';
import type { Trainers } from '../train/trainers/trainers.ts';
import { Checkpointer, type CheckpointPlan } from './checkpointer.ts';
import type { Host } from './host.ts';
import { followerOptions, joinOthers, tellLauncher } from './join-others.ts';
import { expectSameRun, openStoppedRun, type StoppedRun } from './resume-run.ts';
import { fitOptionsOf, plainly, type TrainingRequest } from './training-request.ts';

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
 *
 * @returns nothing from a trainer of a rank above 0: that of rank 0 has the folder
 */
export async function runTraining(
  pipeline: Pipeline,
  request: TrainingRequest,
  { host, signal, progress }: { host: Host; signal: AbortSignal; progress?: Progress },
): Promise<TrainingOutcome | undefined> {
  const stopped = await openStopped(pipeline, request);
  const before = stopped?.run.run.engine.name;
  const engine = await host.useEngine(request.engine ?? (before as EngineName | undefined) ?? pipeline.options.engine); // an unknown one is refused there
  progress?.note(`engine   ${engine.description}`);
  if (before !== undefined && before !== engine.name)
    progress?.note(`engine   the run began on ${before}: the same batches, but not the same parameters bit for bit`);
  const { seed = pipeline.options.seed, corpus: corpusPath } = request;
  const fitOptions = { ...fitOptionsOf(pipeline, request, stopped?.run.run), seed };
  const context = { seed, engine, signal, ...(corpusPath !== undefined && { corpusPath }) };
  const corpus = await pipeline.openCorpus(context);
  signal.throwIfAborted(); // nothing to save yet
  const model = await pipeline.buildModel({ ...context, corpus });
  let trainers: Awaited<ReturnType<typeof joinOthers>>;
  let failure: unknown;
  try {
    trainers = await joinOthers(request, pipeline, plainly(fitOptions));
    if (trainers && trainers.rank > 0) {
      const resume = stopped?.run.checkpoint;
      await host.fit(model, corpus.train, followerOptions(fitOptions, { corpus, resume, signal, trainers }));
      return undefined;
    }
    const folder = stopped?.folder ?? (await createRunFolder(request.out ?? join('runs', pipeline.options.name)));
    tellLauncher({ kind: 'folder', folder });
    progress?.note(`run      ${folder}`);
    if (trainers) progress?.note(`trainers ${trainers.world}`);
    for (const { message } of stopped?.run.checkpoint?.damaged ?? []) progress?.note(`damaged  ${message}`);
    if (stopped) progress?.note(`resume   after step ${stepsOf(stopped.run)}`);
    const told = { request, fitOptions, stopped: stopped?.run, trainers };
    const training = new Training(pipeline, model, { ...context, corpus }, folder, told);
    return await training.run(host, signal, progress);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    await trainers?.leave(failure === undefined ? undefined : firstLineOf(failure));
    model.optimizer.dispose();
    model.dispose();
  }
}

const stepsOf = ({ checkpoint }: StoppedRun): number => Number(checkpoint?.state['step'] ?? 0);

/** Opens the run to go on with, before others may write there. */
async function openStopped(
  { options: { name } }: Pipeline,
  { resume, out }: TrainingRequest,
): Promise<{ folder: string; run: StoppedRun } | undefined> {
  if (resume === undefined) return undefined;
  const folder = resume === true ? (out ?? join('runs', name)) : resume;
  return { folder, run: await openStoppedRun(folder, name) };
}

/** What a run is made with, beside its pipeline. */
interface Told {
  readonly request: TrainingRequest;
  readonly fitOptions: FitOptions & { readonly seed: number };
  readonly stopped: StoppedRun | undefined;
  readonly trainers: Trainers | undefined;
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
  readonly #fleet: TrainingRequest['fleet'];
  #run: Run;

  constructor(
    pipeline: Pipeline,
    model: tf.LayersModel,
    context: ModelContext<PipelineCorpus>,
    folder: string,
    { request, fitOptions, stopped, trainers }: Told,
  ) {
    this.#pipeline = pipeline;
    this.#model = model;
    this.#context = context;
    this.#folder = folder;
    this.#fitOptions = { ...fitOptions, ...(trainers && { trainers }) };
    this.#stopped = stopped;
    this.#fleet = request.fleet && { run: pipeline.options.name, ...request.fleet };
    this.#recordIds = request.recordIds ?? false;
    this.#checkpointer = new Checkpointer(join(folder, 'checkpoints'), planOf(request), progressOf(stopped));
    this.#run = {
      format: runFormat,
      name: pipeline.options.name,
      pipeline: request.file,
      status: 'running',
      seed: context.seed,
      engine: describeEngine(context.engine),
      options: {
        ...plainly(fitOptions),
        ...(trainers && { trainers: trainers.world }),
        ...(request.corpus !== undefined && { corpus: request.corpus }),
      },
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
      const message = messageOf(error);
      await this.#note({ status: 'failed', error: message }).catch(() => {}); // the first error is the one to report
      throw error;
    }
  }

  async #fit(host: Host, signal: AbortSignal, progress: Progress | undefined): Promise<FitSummary> {
    const { validation, train } = this.#context.corpus;
    const checkpoint = this.#stopped?.checkpoint;
    using metrics = await this.#openLines<StepRecord>('metrics.jsonl');
    using recorder = await RunRecorder.open(this.#folder, this.#stopped && stepsOf(this.#stopped));
    using bad = await BadSamplesFile.open(this.#folder, {
      resumedAt: this.#stopped && stepsOf(this.#stopped),
      onFirst: ({ reason }) => progress?.note(`left out ${reason} Others: ${join(this.#folder, 'bad-samples.jsonl')}`),
    });
    using ids = this.#recordIds ? await this.#openLines<TrainedIds>('ids.jsonl') : undefined;
    const breathe = breather();
    let trained: Omit<TrainedIds, 'step'> = { ids: [] };
    return await host.fit(this.#model, train, {
      ...this.#fitOptions,
      ...(validation && { validation }),
      ...(checkpoint && { resume: checkpoint }),
      ...(this.#fleet && {
        source: fleet({
          ...this.#fleet,
          corpus: this.#context.corpus,
          onNote: (line) => progress?.note(`fleet    ${line}`),
          onStatus: (report) => writeFleetFile(this.#folder, report),
        }),
      }),
      signal,
      onMinibatch: (batch) => {
        const { origin } = batch.presample;
        trained = { ids: batch.ids, ...(origin !== undefined && { origin: `${origin}/${batch.turn}` }) };
        recorder.minibatch(batch);
      },
      onScores: (_, scores) => recorder.scores(scores),
      onStep: async (record, snapshot) => {
        metrics.write(record);
        ids?.write({ step: record.step, ...trained });
        recorder.step(record);
        bad.step(record.step);
        progress?.step(record);
        this.#checkpointer.step(record, () => {
          for (const file of [metrics, ids, recorder, bad]) file?.flush(); // a checkpoint never knows more than they do
          return snapshot();
        });
        await breathe();
      },
      onEnd: async (snapshot) => {
        recorder.finish();
        if (bad.count > 0) this.#run = { ...this.#run, badSamples: bad.count };
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
    return this.#pipeline.writes?.({ ...this.#context, model: this.#model, folder: this.#folder });
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
  /** Job, part and draw, where minibatches were made by a fleet. */
  readonly origin?: string;
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
