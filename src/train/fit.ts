import { channel } from 'node:diagnostics_channel';
import { setImmediate as turn } from 'node:timers/promises';
import type * as tf from '@tensorflow/tfjs';
import { CorpusError } from '../errors.ts';
import { fuse } from '../engine/layers/fuse.ts';
import { openHead, type Head } from '../model/head.ts';
import { schemeOf } from '../importance/schemes.ts';
import { restoreScoring, scoringTensors } from '../importance/placement/saved-scoring.ts';
import { parseOptions } from '../options.ts';
import { clocks } from '../stream/clock.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import type { Passed, Presample } from '../stream/presample.ts';
import { freshTau } from '../resample/fresh-tau.ts';
import type { Unfinished } from '../presample/presample.ts';
import { runPipeline } from '../stream/run-pipeline.ts';
import type { Corpus } from '../stream/sample.ts';
import { until } from '../stream/until.ts';
import { Account } from './account.ts';
import { Budget } from './budget.ts';
import { EarlyStopping, withoutBest } from './early-stopping.ts';
import { evaluate } from './evaluate.ts';
import { fitRounds } from './fine-tuning/fit-rounds.ts';
import { FitValues, type Checkpoint, type FitOptions, type FitSettings, type Snapshot } from './fit-options.ts';
import { assemble, type Parts } from './parts.ts';
import { copyModel } from './copy-model.ts';
import { holdOut } from './held-out.ts';
import { schemeOfMode, withMode } from './modes.ts';
import { rateFactor } from './rate-scaling.ts';
import { parseResumeState, restoreVariables, variablesOf, type ResumeState } from './resume.ts';
import { schedule, type LearningRate, type Progress } from './schedule.ts';
import type { FitSummary, Measures, StepRecord, StopReason } from './step-record.ts';
import { expectSharable } from './trainers/expect-sharable.ts';

/**
 * Trains a compiled model on a corpus by Algorithm 1 of Katharopoulos & Fleuret 2018: presample, score, draw under the
 * τ gate, weigh, step. In lockstep (`ahead: 0`) every score uses the parameters after the previous step.
 *
 * The model's recurrent layers are made fast in place, by `fuse`.
 *
 * @param signal in `options`: stops the run after the step that is being taken; the summary says so
 * @returns what the run did
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {ModelError | ShapeError | LabelError} when model and corpus do not fit
 * @throws {ScoreError | LossError} when a score or the loss is not finite
 * @example
 * const summary = await fit(model, corpus, { steps: 1000, batchSize: 32, presampleSize: 96, tauThreshold: 1.2, seed: 7 });
 */
export async function fit(model: tf.LayersModel, corpus: Corpus, options: FitOptions): Promise<FitSummary> {
  const values = parseOptions('fit()', FitValues, withMode(plainValues(options)));
  if (options.trainers) expectSharable(schemeOf(options.scheme ?? schemeOfMode(values.mode)), values);
  fuse(model);
  if (values.fineTuning) return fitRounds(model, corpus, { values, options, fit: fitOnce });
  return fitOnce(model, corpus, values, options);
}

async function fitOnce(
  model: tf.LayersModel,
  corpus: Corpus,
  values: FitSettings,
  options: FitOptions,
): Promise<FitSummary> {
  const run = new Run(openHead(model), corpus, values, options);
  try {
    return await run.go();
  } catch (error) {
    throw (await options.trainers?.explain(error)) ?? error;
  } finally {
    await run.dispose();
  }
}

/** Every step of every run in this process, as a `StepMessage`: for monitoring that the training code knows nothing of. */
const stepChannel = channel('taustream:step');

/** Trains a copy of a model uniformly, in a share of a run's budget. */
async function trainCopy(
  model: tf.LayersModel,
  corpus: Corpus,
  values: FitSettings,
  share: number,
): Promise<tf.LayersModel> {
  const copy = await copyModel(model);
  const { batchSize, seed, clipNorm, weightDecay, steps, seconds, lengths, clock } = values;
  await fit(copy, corpus, {
    batchSize,
    presampleSize: batchSize,
    seed,
    weightDecay,
    clock,
    scheme: 'uniform',
    ...(lengths && { lengths }),
    ...(clipNorm && { clipNorm }),
    ...(steps !== undefined && { steps: Math.ceil(share * steps) }),
    ...(seconds !== undefined && { seconds: share * seconds }),
    ...(steps === undefined && seconds === undefined && { epochs: 1 }),
  });
  return copy;
}

/** One run: the loop at the end of the pipeline, and its account. */
class Run {
  readonly #head: Head;
  readonly #values: FitSettings;
  readonly #options: FitOptions;
  readonly #parts: Parts;
  readonly #budget: Budget;
  readonly #rate: LearningRate;
  readonly #account = new Account();
  readonly #stopping: EarlyStopping | undefined;
  #samplesTrained = 0;
  #waitedMs = 0;
  /** Which of this run's samples are trained on or passed by. */
  #passed: Passed = { taken: 0, waiting: [] };
  /** The same before the presample that is being trained on. */
  #passedBefore: Passed = { taken: 0, waiting: [] };
  #presample: Presample | undefined;
  readonly #partOf: Corpus['partOf'];
  /** Samples that an earlier run was done with. */
  #seenBefore = 0;
  /** Steps that an earlier run took, and presamples that this one has begun with. */
  #stepsBefore = 0;
  #presamples = 0;
  /** Puts back what an earlier run was scoring, once there is a place for it. */
  #toScore = () => {};
  #epochLosses: number[] = [];
  #epoch = 0;
  #validated = 0;
  /** The presample that the last minibatch was drawn from, if more are to come. */
  #unfinished: (Unfinished & { readonly seenBefore: number }) | undefined;

  constructor(head: Head, corpus: Corpus, values: FitSettings, options: FitOptions) {
    this.#head = head;
    this.#values = values;
    this.#options = options;
    this.#partOf = corpus.partOf;
    const { resume } = options;
    this.#stopping = values.earlyStopping && new EarlyStopping(values.earlyStopping);
    const saved = resume && resumeStateOf(resume, options);
    this.#budget = new Budget(values, () => corpus.length, clocks[values.clock]);
    const context = {
      share: () => this.#budget.progress().share,
      heldOut: (share: number, samples: number) =>
        holdOut(head, corpus, { seed: values.seed, share, samples, lengths: values.lengths }),
      copyModel: () => copyModel(head.model),
      trainCopy: (samples: Corpus, share: number) => trainCopy(head.model, samples, values, share),
    };
    const onDrop: FitOptions['onDrop'] = (id, steps) => {
      this.#account.samplesDropped += 1;
      options.onDrop?.(id, steps);
    };
    this.#parts = assemble(head, corpus, values, { ...options, onDrop }, context, saved);
    if (saved) this.#restore(resume, saved);
    this.#rate = schedule(options.learningRate ?? this.#parts.trainer.optimizer.learningRate);
  }

  #restore({ tensors }: Checkpoint, saved: ResumeState): void {
    const { gate, costs, noise, chooser, trainer, place, tickets } = this.#parts;
    trainer.restore({ optimizer: saved.optimizer, tensors: withoutBest(tensors) });
    if (saved.earlyStopping) this.#stopping?.restore(saved.earlyStopping, tensors);
    gate.restore(saved.gate);
    costs.restore(saved.costs);
    noise.restore(saved.noise);
    if (saved.scheme !== undefined) chooser.restore?.(saved.scheme);
    if (place && tickets && saved.scoring)
      this.#toScore = () => {
        if (saved.unfinished) tickets.addDrawn();
        restoreScoring(place, tickets, saved.scoring!, tensors, this.#head.model.weights.length);
      };
    this.#stepsBefore = saved.step;
    this.#budget.restore(saved);
    this.#account.restore(saved.account);
    this.#samplesTrained = saved.samplesTrained;
    this.#unfinished = saved.unfinished;
    this.#seenBefore = saved.unfinished?.seenBefore ?? saved.samplesSeen;
    this.#epoch = saved.epoch;
    this.#epochLosses = [...saved.epochLosses];
  }

  async go(): Promise<FitSummary> {
    await this.#startPlace();
    this.#toScore();
    const { resume } = this.#options;
    const { chooser } = this.#parts;
    if (!resume) {
      await this.#validate();
      this.#budget.begin();
    }
    await chooser.prepare?.({ isResumed: resume !== undefined });
    if (resume) restoreVariables(chooser, resume.tensors);
    if (Math.floor(this.#budget.epochs) > this.#epoch) await this.#endEpoch(); // the earlier run stopped just there
    const stoppedBy = this.#reached() ?? (await this.#run());
    if (this.#budget.steps === 0 && stoppedBy !== 'signal')
      throw new CorpusError('fit(): expected samples to train on, got none. Give a corpus that is not empty.');
    if (this.#epochLosses.length > 0) await this.#endEpoch();
    if (this.#values.validateEvery !== 'epoch') await this.#validate();
    await this.#options.onEnd?.(this.#snapshot());
    this.#parts.trainer.swapAverages();
    this.#stopping?.restoreBest(this.#head.model);
    const { seconds, epochs } = this.#budget;
    const stages = Object.fromEntries(this.#parts.meter.stages);
    return { ...this.#account.summary({ stoppedBy, seconds, epochs }), stages };
  }

  async #startPlace(): Promise<void> {
    const { signal } = this.#options;
    await this.#parts.place?.start(signal).catch((error: unknown) => {
      if (!signal?.aborted) throw error; // else the run ends before its first step, as it does without a place
    });
  }

  #reached(): StopReason | undefined {
    return this.#budget.reached() ?? (this.#stopping?.isOver ? 'plateau' : undefined);
  }

  #run(): Promise<StopReason> {
    const teardown = new AbortController();
    const [source, ...stages] = this.#parts.stages(teardown.signal);
    // Told before the streams are destroyed: Node waits for a source's generator to end, and it may wait for data.
    const train = (batches: AsyncIterable<Minibatch>) => this.#train(batches).finally(() => teardown.abort());
    return runPipeline<Minibatch, StopReason>([source, ...stages], train).finally(() => teardown.abort());
  }

  /** Takes minibatches until a limit is reached, the source ends or the signal aborts. */
  async #train(batches: AsyncIterable<Minibatch>): Promise<StopReason> {
    const { signal } = this.#options;
    const { agreement } = this.#parts;
    for await (const batch of until(batches, agreement ? undefined : signal)) {
      await this.#step(batch);
      await turn(); // an engine's reads may resolve without one, and then no timer, signal or socket is ever served
      this.#parts.turnstile.stepped();
      const reached = this.#agreed(this.#reached() ?? (signal?.aborted ? 'signal' : undefined));
      if (reached) return reached; // and nothing more is drawn, so that a checkpoint taken now knows of no more
      if (batch.isLast) this.#parts.turnstile.leave();
    }
    const stopped = agreement && (await this.#accompany());
    if (stopped) return stopped;
    if (signal?.aborted) return 'signal';
    return this.#values.epochs === undefined ? 'end' : 'epochs';
  }

  /** What ends the run for all trainers: all count the same steps, but only some may be asked to stop. */
  #agreed(reached: StopReason | undefined): StopReason | undefined {
    const { agreement } = this.#parts;
    if (!agreement || reached === 'steps') return reached;
    if (reached) agreement.wish(reached);
    return agreement.heard?.stop;
  }

  /** Goes along with trainers that have samples left, so that all end with the same parameters. */
  async #accompany(): Promise<StopReason | undefined> {
    const { trainer } = this.#parts;
    while (await trainer.idle()) {
      this.#budget.steps += 1;
      this.#countHeard();
      const reached = this.#agreed(this.#reached());
      if (reached) return reached;
    }
    return undefined;
  }

  #countHeard(): void {
    const { fetched, trained } = this.#parts.agreement!.heard!;
    this.#budget.samplesSeen += fetched;
    this.#samplesTrained += trained;
  }

  async #step(batch: Minibatch): Promise<void> {
    const learningRate = this.#rate(this.#budget.progress()) * this.#rateFactor(batch);
    const { size, presample, rest } = batch;
    this.#options.onMinibatch?.(batch);
    const loss = await this.#parts.trainer.step(batch, learningRate);
    this.#budget.steps += 1;
    if (presample !== this.#presample) this.#pass(presample);
    const seenBefore = this.#seenBefore + seenOf(this.#passedBefore);
    if (this.#parts.agreement) this.#countHeard();
    else {
      this.#budget.samplesSeen = this.#seenBefore + seenOf(this.#passed);
      this.#samplesTrained += size;
    }
    // Versions are told from this step on, because a run that goes on counts its steps anew.
    const draws = rest.map((draw) => ({ ...draw, version: draw.version - this.#budget.steps + this.#stepsBefore }));
    // Of several trainers each has draws of its own left, and a checkpoint holds one's alone: they are given up.
    this.#unfinished =
      rest.length === 0 || this.#parts.agreement ? undefined : { rows: presample.rows, draws, seenBefore };
    await this.#parts.chooser.stepped?.(loss);
    this.#epochLosses.push(loss);
    const record = this.#record(loss, this.#parts.agreement?.heard?.rate ?? learningRate, batch);
    const measured = await this.#validateIfDue();
    if (measured) record.validation = measured;
    this.#account.add(record);
    if (stepChannel.hasSubscribers) stepChannel.publish({ model: this.#head.model, record });
    await this.#options.onStep?.(record, () => this.#snapshot());
    if (Math.floor(this.#budget.epochs) > this.#epoch) await this.#endEpoch();
  }

  /** Takes note of a buffer that is trained on for the first time. */
  #pass(presample: Presample): void {
    [this.#passedBefore, this.#passed] = [this.#passed, presample.passed];
    this.#presample = presample;
    this.#presamples += 1;
    if (this.#partOf && !presample.drawn) this.#account.addSamples(presample.ids, this.#partOf); // else counted before
  }

  #rateFactor({ phase, drawTau: tau, presample, turns }: Minibatch): number {
    if (phase === 'uniform') return 1;
    const { rateScaling, batchSize } = this.#values;
    const { noise, costs } = this.#parts;
    const slowdown = costs.slowdown(presample.size, batchSize, turns);
    return rateFactor(rateScaling, { tau, noise: noise.value / batchSize, slowdown });
  }

  #record(loss: number, lr: number, batch: Minibatch): StepRecord {
    const { gate, meter, observed, noise } = this.#parts;
    const waited = meter.stages.get('presample')?.waitedUpstreamMs ?? 0;
    const waitedMs = waited - this.#waitedMs;
    this.#waitedMs = waited;
    const { step, seconds, share } = this.#budget.progress();
    const { samplesByCorpus } = this.#account;
    return {
      step,
      seconds,
      share,
      loss,
      lr,
      phase: batch.phase,
      ...(batch.phase === 'importance' && this.#staleness(batch)),
      tau: gate.tau,
      gate: gate.isOpen ? 'open' : 'shut',
      ess: observed.effectiveSampleSize,
      ...(noise.observations > 0 && { noiseScale: noise.value }),
      samplesSeen: this.#budget.samplesSeen,
      samplesTrained: this.#samplesTrained,
      ...(samplesByCorpus && { samplesByCorpus }),
      waitedMs,
      rssBytes: process.memoryUsage.rss(),
    };
  }

  /** How old the scores were that a step was drawn by, and what that made of their τ. */
  #staleness({ version, drawTau, weights }: Minibatch): Pick<StepRecord, 'age' | 'drawTau' | 'freshTau'> {
    const { turnstile, observed, chooser, place } = this.#parts;
    const fresh = place && !chooser.selection && observed.stepScores;
    return { age: turnstile.version - version, drawTau, ...(fresh && { freshTau: freshTau(weights, fresh) }) };
  }

  async #endEpoch(): Promise<void> {
    const measured = this.#values.validateEvery === 'epoch' ? await this.#validate() : undefined;
    const loss = this.#epochLosses.reduce((sum, value) => sum + value, 0) / this.#epochLosses.length;
    await this.#options.onEpoch?.(this.#epoch, { loss, ...(measured ? { validation: measured } : {}) });
    this.#epoch = Math.max(this.#epoch + 1, Math.floor(this.#budget.epochs));
    this.#epochLosses = [];
  }

  async #validateIfDue(): Promise<Measures | undefined> {
    const { validateEvery: every, validations } = this.#values;
    const { share } = this.#budget.progress();
    const isSpread = this.#validated < validations && share < 1 && share >= (this.#validated + 1) / (validations + 1);
    if (isSpread) this.#validated = Math.floor(share * (validations + 1));
    const isRegular = typeof every === 'number' && every > 0 && this.#budget.steps % every === 0;
    return isSpread || isRegular ? this.#validate() : undefined;
  }

  async #validate(): Promise<Measures | undefined> {
    const { validation, deriveMeasures = (measures) => measures } = this.#options;
    if (!validation) return undefined;
    const { validationSamples: limit, scoreBatchSize: batchSize, lengths } = this.#values;
    const { trainer } = this.#parts;
    trainer.swapAverages();
    try {
      const measured = this.#budget.uncounted(() => evaluate(this.#head, validation, { batchSize, limit, lengths }));
      const measures = deriveMeasures(await measured);
      this.#stopping?.observe(measures, this.#head.model);
      this.#account.addValidation(measures);
      return measures;
    } finally {
      trainer.swapAverages();
    }
  }

  #snapshot(): Snapshot {
    const { trainer, place, tickets } = this.#parts;
    const steps = this.#budget.steps - this.#stepsBefore;
    const scoring = tickets?.state(this.#presamples, steps);
    return {
      tensors: {
        ...trainer.tensors(),
        ...variablesOf(this.#parts.chooser),
        ...this.#stopping?.tensors(),
        ...(place && scoring && scoringTensors(place, scoring, steps)),
      },
      state: {
        ...this.#parts.state(this.#unfinished ? this.#passedBefore : this.#passed, scoring),
        ...(this.#unfinished && { unfinished: this.#unfinished }),
        ...this.#budget.progress(),
        samplesSeen: this.#budget.samplesSeen,
        samplesTrained: this.#samplesTrained,
        epoch: Math.min(this.#epoch, Math.floor(this.#budget.epochs)), // the last epoch may have been cut short
        epochLosses: [...this.#epochLosses],
        ...(this.#stopping && { earlyStopping: this.#stopping.state() }),
        account: this.#account.state(),
      } satisfies ResumeState & Progress,
    };
  }

  async dispose(): Promise<void> {
    await this.#parts.place?.close();
    this.#parts.inFlight.clear();
    this.#parts.trainer.dispose();
    this.#parts.chooser.dispose?.();
    this.#stopping?.dispose();
  }
}

/** The state to go on from; several trainers begin with a presample of their own. */
const resumeStateOf = ({ state }: Checkpoint, { trainers }: FitOptions): ResumeState => {
  const { unfinished, ...saved } = parseResumeState(state);
  return trainers || unfinished === undefined ? saved : { ...saved, unfinished };
};

const notPlain: ReadonlySet<string> = new Set([
  'scheme',
  'learningRate',
  'rateOf',
  'validation',
  'deriveMeasures',
  'signal',
  'trainers',
  'resume',
  'onStep',
  'onScores',
  'onMinibatch',
  'onSkip',
  'onDrop',
  'onEpoch',
  'onEnd',
] satisfies (keyof FitOptions)[]);

/** What zod checks: the options without functions and objects of ours. */
const plainValues = (options: FitOptions): Record<string, unknown> =>
  Object.fromEntries(Object.entries(options).filter(([name]) => !notPlain.has(name)));

/** Samples that are trained on or passed by for good. */
const seenOf = ({ taken, waiting }: Passed): number => taken - waiting.length;
