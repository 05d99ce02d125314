import { channel } from 'node:diagnostics_channel';
import { setImmediate as turn } from 'node:timers/promises';
import type * as tf from '@tensorflow/tfjs';
import { CorpusError } from '../errors.ts';
import { fuse } from '../engine/layers/fuse.ts';
import { openHead, type Head } from '../model/head.ts';
import { parseOptions } from '../options.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import type { Passed } from '../stream/presample.ts';
import { freshTau } from '../resample/fresh-tau.ts';
import { runPipeline } from '../stream/run-pipeline.ts';
import type { Corpus } from '../stream/sample.ts';
import { until } from '../stream/until.ts';
import { Account } from './account.ts';
import { Budget } from './budget.ts';
import { evaluate } from './evaluate.ts';
import { FitValues, type Checkpoint, type FitOptions, type FitSettings, type Snapshot } from './fit-options.ts';
import { assemble, type Parts } from './parts.ts';
import { copyModel } from './copy-model.ts';
import { holdOut } from './held-out.ts';
import { withMode } from './modes.ts';
import { rateFactor } from './rate-scaling.ts';
import { parseResumeState, restoreTensors, type ResumeState } from './resume.ts';
import { schedule, type LearningRate, type Progress } from './schedule.ts';
import type { FitSummary, Measures, StepRecord, StopReason } from './step-record.ts';

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
  fuse(model);
  const run = new Run(openHead(model), corpus, values, options);
  try {
    return await run.go();
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
  const { batchSize, seed, clipNorm, weightDecay, steps, seconds, lengths } = values;
  await fit(copy, corpus, {
    batchSize,
    presampleSize: batchSize,
    seed,
    weightDecay,
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
  #samplesTrained = 0;
  #waitedMs = 0;
  /** Which of this run's samples are trained on or passed by. */
  #passed: Passed = { taken: 0, waiting: [] };
  /** Samples that an earlier run was done with. */
  #seenBefore = 0;
  #epochLosses: number[] = [];
  #epoch = 0;
  #validated = 0;

  constructor(head: Head, corpus: Corpus, values: FitSettings, options: FitOptions) {
    this.#head = head;
    this.#values = values;
    this.#options = options;
    const { resume } = options;
    const saved = resume && parseResumeState(resume.state);
    this.#budget = new Budget(values, () => corpus.length);
    const context = {
      share: () => this.#budget.progress().share,
      heldOut: (share: number, samples: number) =>
        holdOut(head, corpus, { seed: values.seed, share, samples, lengths: values.lengths }),
      trainCopy: (samples: Corpus, share: number) => trainCopy(head.model, samples, values, share),
    };
    this.#parts = assemble(head, corpus, values, options, context, saved);
    if (saved) this.#restore(resume, saved);
    this.#rate = schedule(options.learningRate ?? this.#parts.trainer.optimizer.learningRate);
  }

  #restore({ tensors }: Checkpoint, saved: ResumeState): void {
    const { gate, costs, noise, chooser, trainer } = this.#parts;
    restoreTensors(this.#head.model, trainer.optimizer, { optimizer: saved.optimizer, tensors });
    gate.restore(saved.gate);
    costs.restore(saved.costs);
    noise.restore(saved.noise);
    if (saved.scheme !== undefined) chooser.restore?.(saved.scheme);
    this.#budget.restore(saved);
    this.#account.restore(saved.account);
    this.#samplesTrained = saved.samplesTrained;
    this.#seenBefore = saved.samplesSeen;
    this.#epoch = saved.epoch;
    this.#epochLosses = [...saved.epochLosses];
  }

  async go(): Promise<FitSummary> {
    await this.#startPlace();
    if (!this.#options.resume) {
      await this.#validate();
      this.#budget.begin();
      await this.#parts.chooser.prepare?.(this.#options.signal);
    }
    if (Math.floor(this.#budget.epochs) > this.#epoch) await this.#endEpoch(); // the earlier run stopped just there
    const stoppedBy = this.#budget.reached() ?? (await this.#run());
    if (this.#budget.steps === 0 && stoppedBy !== 'signal')
      throw new CorpusError('fit(): expected samples to train on, got none. Give a corpus that is not empty.');
    if (this.#epochLosses.length > 0) await this.#endEpoch();
    if (this.#values.validateEvery !== 'epoch') await this.#validate();
    await this.#options.onEnd?.(this.#snapshot());
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
    for await (const batch of until(batches, signal)) {
      await this.#step(batch);
      await turn(); // an engine's reads may resolve without one, and then no timer, signal or socket is ever served
      this.#parts.turnstile.stepped();
      if (batch.isLast) this.#parts.turnstile.leave();
      const reached = this.#budget.reached();
      if (reached) return reached;
    }
    if (signal?.aborted) return 'signal';
    return this.#values.epochs === undefined ? 'end' : 'epochs';
  }

  async #step(batch: Minibatch): Promise<void> {
    const learningRate = this.#rate(this.#budget.progress()) * this.#rateFactor(batch);
    const { size, presample } = batch;
    this.#options.onMinibatch?.(batch);
    const loss = await this.#parts.trainer.step(batch, learningRate);
    this.#budget.steps += 1;
    if (batch.turn === 0) this.#passed = presample.passed;
    this.#budget.samplesSeen = this.#seenBefore + this.#passed.taken - this.#passed.waiting.length;
    this.#samplesTrained += size;
    await this.#parts.chooser.stepped?.(loss);
    this.#epochLosses.push(loss);
    const record = this.#record(loss, learningRate, batch);
    const measured = await this.#validateIfDue();
    if (measured) record.validation = measured;
    this.#account.add(record);
    if (stepChannel.hasSubscribers) stepChannel.publish({ model: this.#head.model, record });
    await this.#options.onStep?.(record, () => this.#snapshot());
    if (Math.floor(this.#budget.epochs) > this.#epoch) await this.#endEpoch();
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
    const measured = this.#budget.uncounted(() => evaluate(this.#head, validation, { batchSize, limit, lengths }));
    const measures = deriveMeasures(await measured);
    this.#account.addValidation(measures);
    return measures;
  }

  #snapshot(): Snapshot {
    return {
      tensors: this.#parts.trainer.tensors(),
      state: {
        ...this.#parts.state(this.#passed),
        ...this.#budget.progress(),
        samplesSeen: this.#budget.samplesSeen,
        samplesTrained: this.#samplesTrained,
        epoch: Math.min(this.#epoch, Math.floor(this.#budget.epochs)), // the last epoch may have been cut short
        epochLosses: [...this.#epochLosses],
        account: this.#account.state(),
      } satisfies ResumeState & Progress,
    };
  }

  async dispose(): Promise<void> {
    await this.#parts.place?.close();
    this.#parts.inFlight.clear();
    this.#parts.trainer.dispose();
    this.#parts.chooser.dispose?.();
  }
}

/** What zod checks: the options without functions and objects of ours. */
function plainValues(options: FitOptions): Record<string, unknown> {
  const { scheme, learningRate, validation, deriveMeasures, signal, resume, ...rest } = options;
  const { onStep, onScores, onMinibatch, onSkip, onEpoch, onEnd, ...values } = rest;
  void [
    scheme,
    learningRate,
    validation,
    deriveMeasures,
    signal,
    resume,
    onStep,
    onScores,
    onMinibatch,
    onSkip,
    onEpoch,
    onEnd,
  ];
  return values;
}
