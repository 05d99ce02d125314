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
import { runPipeline } from '../stream/run-pipeline.ts';
import type { Corpus } from '../stream/sample.ts';
import { until } from '../stream/until.ts';
import { Account } from './account.ts';
import { Budget } from './budget.ts';
import { EarlyStopping, withoutBest } from './early-stopping.ts';
import { fitRounds } from './fine-tuning/fit-rounds.ts';
import {
  FitValues,
  optionsOfCopy,
  type Checkpoint,
  type FitOptions,
  type FitSettings,
  type Snapshot,
} from './fit-options.ts';
import { assemble, type Parts } from './parts.ts';
import { holdOut } from './held-out.ts';
import { copyModel } from './copy-model.ts';
import { modeOf, schemeOfMode, withMode } from './modes.ts';
import { rateFactor } from './rate-scaling.ts';
import { parseResumeState, restoreVariables, variablesOf, withoutDraws, type ResumeState } from './resume.ts';
import { Passage } from './passage.ts';
import { plainValues } from './plain-values.ts';
import { startPlace, stalenessOf } from './staleness.ts';
import { schedule, type LearningRate, type Progress } from './schedule.ts';
import type { FitSummary, StepRecord, StopReason } from './step-record.ts';
import { expectSharable } from './trainers/expect-sharable.ts';
import { Validations } from './validations.ts';

/**
 * Trains a compiled model on a corpus by Algorithm 1 of Katharopoulos & Fleuret 2018: presample, score, draw under the
 * τ gate, weigh, step. In lockstep (`ahead: 0`) every score uses the parameters after the previous step.
 *
 * The model's recurrent layers are made fast in place, by `fuse`. A `signal` in the options stops the run after the step
 * that is being taken; the summary says so.
 *
 * @returns what the run did
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {ModelError | ShapeError | LabelError} when model and corpus do not fit
 * @throws {ScoreError | LossError} when a score or the loss is not finite
 * @example
 * const summary = await fit(model, corpus, { steps: 1000, batchSize: 32, presampleSize: 96, tauThreshold: 1.2, seed: 7 });
 */
export async function fit(model: tf.LayersModel, corpus: Corpus, options: FitOptions): Promise<FitSummary> {
  const values = parseOptions('fit()', FitValues, withMode(plainValues(options), modeOf(options)));
  if (options.trainers) expectSharable(schemeOf(options.scheme ?? schemeOfMode(values.mode)), values, options);
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
  readonly #partOf: Corpus['partOf'];
  readonly #passage: Passage;
  readonly #validations: Validations;
  /** Steps that an earlier run took. */
  #stepsBefore = 0;
  /** Puts back what an earlier run was scoring, once there is a place for it. */
  #toScore = () => {};
  #epochLosses: number[] = [];
  #epoch = 0;

  constructor(head: Head, corpus: Corpus, values: FitSettings, options: FitOptions) {
    this.#head = head;
    this.#values = values;
    this.#options = options;
    this.#partOf = corpus.partOf;
    const { resume } = options;
    this.#stopping = values.earlyStopping && new EarlyStopping(values.earlyStopping);
    const saved = resume && (options.trainers ? withoutDraws : parseResumeState)(resume.state);
    this.#budget = new Budget(values, () => corpus.length, clocks[values.clock]);
    const context = {
      share: () => this.#budget.progress().share,
      heldOut: (share: number, samples: number) =>
        holdOut(head, corpus, { seed: values.seed, share, samples, lengths: values.lengths }),
      copyModel: () => copyModel(head.model),
      trainCopy: async (samples: Corpus, share: number) => {
        const copy = await copyModel(head.model);
        await fit(copy, samples, optionsOfCopy(values, share));
        return copy;
      },
    };
    const onDrop: FitOptions['onDrop'] = (id, steps) => {
      if (!this.#passage.isFilledAgain) this.#account.samplesDropped += 1;
      options.onDrop?.(id, steps);
    };
    this.#parts = assemble(head, corpus, values, { ...options, onDrop }, context, saved);
    this.#passage = new Passage(saved, { keepsDraws: !options.trainers });
    const { trainer } = this.#parts;
    const [budget, account, stopping] = [this.#budget, this.#account, this.#stopping];
    this.#validations = new Validations({ head, values, options, trainer, budget, account, stopping });
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
    this.#validations.resume();
    this.#account.restore(saved.account);
    this.#samplesTrained = saved.samplesTrained;
    this.#epoch = saved.epoch;
    this.#epochLosses = [...saved.epochLosses];
  }

  async go(): Promise<FitSummary> {
    await startPlace(this.#parts.place, this.#options.signal);
    await startPlace(this.#parts.source, this.#options.signal);
    this.#toScore();
    const [{ resume }, { chooser }] = [this.#options, this.#parts];
    if (!resume) {
      await this.#validations.now();
      this.#budget.begin();
    }
    await chooser.prepare?.({ isResumed: resume !== undefined });
    if (resume) restoreVariables(chooser, resume.tensors);
    if (Math.floor(this.#budget.epochs) > this.#epoch) await this.#endEpoch(); // the earlier run stopped just there
    const stoppedBy = this.#ends() ?? (await this.#run());
    if (this.#budget.steps === 0 && stoppedBy !== 'signal')
      throw new CorpusError('fit(): expected samples to train on, got none. Give a corpus that is not empty.');
    if (this.#epochLosses.length > 0) await this.#endEpoch();
    if (this.#values.validateEvery !== 'epoch') await this.#validations.atEnd();
    await this.#options.onEnd?.(this.#snapshot());
    this.#parts.trainer.swapAverages();
    this.#stopping?.restoreBest(this.#head.model);
    const { seconds, epochs } = this.#budget;
    const stages = Object.fromEntries(this.#parts.meter.stages);
    const source = this.#parts.source?.account?.();
    return { ...this.#account.summary({ stoppedBy, seconds, epochs }), stages, ...(source && { source }) };
  }

  /** What ends the run; of several trainers, what ends it for all. */
  #ends(): StopReason | undefined {
    const { agreement } = this.#parts;
    const reached = this.#budget.reached() ?? (this.#stopping?.isOver ? 'plateau' : undefined);
    return agreement ? agreement.ends(reached, this.#options.signal) : reached;
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
      const reached = this.#ends() ?? (!agreement && signal?.aborted ? 'signal' : undefined);
      if (reached) return reached; // and nothing more is drawn, so that a checkpoint taken now knows of no more
      if (batch.isLast) this.#parts.turnstile.leave();
    }
    while (await this.#parts.trainer.idle()) {
      this.#budget.steps += 1; // one that only others had samples for
      this.#count(0);
      const reached = this.#ends();
      if (reached) return reached;
    }
    if (signal?.aborted) return 'signal';
    return this.#values.epochs === undefined ? 'end' : 'epochs';
  }

  async #step(batch: Minibatch): Promise<void> {
    const learningRate = this.#rate(this.#budget.progress()) * this.#rateFactor(batch);
    this.#options.onMinibatch?.(batch);
    const loss = await this.#parts.trainer.step(batch, learningRate);
    this.#parts.source?.trained(batch);
    this.#budget.steps += 1;
    const begun = this.#passage.take(batch, this.#budget.steps - this.#stepsBefore);
    if (begun && this.#partOf && !begun.drawn) this.#account.addSamples(begun.ids, this.#partOf); // else counted before
    this.#count(batch.size);
    await this.#parts.chooser.stepped?.(loss);
    this.#epochLosses.push(loss);
    const record = this.#record(loss, this.#parts.agreement?.heard?.rate ?? learningRate, batch);
    const measured = await this.#validations.ifDue();
    if (measured) record.validation = measured;
    this.#account.add(record);
    if (stepChannel.hasSubscribers) stepChannel.publish({ model: this.#head.model, record });
    await this.#options.onStep?.(record, () => this.#snapshot());
    if (Math.floor(this.#budget.epochs) > this.#epoch) await this.#endEpoch();
  }

  /** Counts what a step was taken on; of several trainers, what all of them were. */
  #count(trained: number): void {
    const heard = this.#parts.agreement?.heard;
    this.#budget.samplesSeen = heard ? this.#budget.samplesSeen + heard.fetched : this.#passage.seen;
    this.#samplesTrained += heard ? heard.trained : trained;
  }

  #rateFactor({ phase, drawTau: tau, presample, turns }: Minibatch): number {
    if (phase === 'uniform') return 1;
    const { rateScaling, batchSize } = this.#values;
    const { noise, costs, source } = this.#parts;
    const slowdown = source ? 1 : costs.slowdown(presample.size, batchSize, turns);
    return rateFactor(rateScaling, { tau, noise: noise.value / batchSize, slowdown });
  }

  #record(loss: number, lr: number, batch: Minibatch): StepRecord {
    const { gate, meter, observed, noise } = this.#parts;
    const { source, fetching } = this.#parts;
    const waited = source ? (meter.stages.get('source')?.waitedUpstreamMs ?? 0) : fetching.waitedMs;
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
      ...stalenessOf(batch, this.#parts),
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

  async #endEpoch(): Promise<void> {
    const measured = this.#values.validateEvery === 'epoch' ? await this.#validations.now() : undefined;
    const loss = this.#epochLosses.reduce((sum, value) => sum + value, 0) / this.#epochLosses.length;
    await this.#options.onEpoch?.(this.#epoch, { loss, ...(measured ? { validation: measured } : {}) });
    this.#epoch = Math.max(this.#epoch + 1, Math.floor(this.#budget.epochs));
    this.#epochLosses = [];
  }

  #snapshot(): Snapshot {
    const { trainer, place, tickets } = this.#parts;
    const steps = this.#budget.steps - this.#stepsBefore;
    const { unfinished } = this.#passage;
    const scoring = tickets?.state(this.#passage.presamples, steps);
    return {
      tensors: {
        ...trainer.tensors(),
        ...variablesOf(this.#parts.chooser),
        ...this.#stopping?.tensors(),
        ...(place && scoring && scoringTensors(place, scoring, steps)),
      },
      state: {
        ...this.#parts.state(this.#passage.place, scoring),
        ...(unfinished && { unfinished }),
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
    await this.#parts.source?.close();
    this.#parts.inFlight.clear();
    this.#parts.trainer.dispose();
    this.#parts.chooser.dispose?.();
    this.#stopping?.dispose();
  }
}
