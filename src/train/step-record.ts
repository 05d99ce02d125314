import type * as tf from '@tensorflow/tfjs';
import type { Phase } from '../stream/gate.ts';
import type { StageCounts } from '../stream/meter.ts';

/** Measures by name, for example `{ loss: 1.84, bitsPerCharacter: 2.66 }`. */
export type Measures = Readonly<Record<string, number>>;

/** What one training step did: a line of `metrics.jsonl`. */
export interface StepRecord {
  /** Steps taken so far, this one included. */
  step: number;
  /** Seconds since the run started. */
  seconds: number;
  /** Share of the budget (steps, seconds or epochs, whichever is furthest) that is used up, 0 to 1. */
  share: number;
  /** The minibatch's weighted loss. */
  loss: number;
  /** Learning rate of this step. */
  lr: number;
  phase: Phase;
  /** Steps that the parameters behind the scores were old; on steps drawn by importance. */
  age?: number;
  /** By what τ the draw has reduced the variance, if the scores it was drawn by were fresh; on steps drawn by importance. */
  drawTau?: number;
  /** The same by this step's own scores of its minibatch, that is with the scores as old as they were. */
  freshTau?: number;
  /** The smoothed τ after this step. */
  tau: number;
  gate: 'open' | 'shut';
  /** Kish's effective sample size of the presample, in samples. */
  ess: number;
  /** The gradient noise scale in samples, where it is measured; `Infinity` where no signal stands out of the noise. */
  noiseScale?: number;
  /** Samples fetched from the corpus so far. */
  samplesSeen: number;
  /** Samples in the minibatches trained on so far. */
  samplesTrained: number;
  /** Samples seen of each corpus so far, by name, where the corpus is a mixture. */
  samplesByCorpus?: Readonly<Record<string, number>>;
  /** Milliseconds that this step waited for data: what was fetched while the one before was still computed is not among them. */
  waitedMs: number;
  /** Resident memory of the process, in bytes. */
  rssBytes: number;
  /** Measures over the validation corpus, on the steps where it was evaluated. */
  validation?: Measures;
}

/** What stopped a run. */
export type StopReason = 'steps' | 'seconds' | 'epochs' | 'end' | 'signal' | 'plateau';

/** What a whole run did. */
export interface FitSummary {
  steps: number;
  seconds: number;
  epochs: number;
  stoppedBy: StopReason;
  /** Mean loss of the first 50 steps. */
  firstLoss: number;
  /** Mean loss of the last 50 steps. */
  lastLoss: number;
  /** Share of the steps at which the gate was open, 0 to 1. */
  openShare: number;
  meanTau: number;
  samplesSeen: number;
  samplesTrained: number;
  /** Samples left out because they were too long (`lengths.truncate: 'drop'`), if any were. */
  samplesDropped?: number;
  /** Samples seen of each corpus, by name, where the corpus is a mixture. */
  samplesByCorpus?: Readonly<Record<string, number>>;
  /** Samples trained on per second. */
  samplesPerSecond: number;
  /** Share of the time spent waiting for data, 0 to 1. */
  waitedShare: number;
  validation: { first?: Measures; last?: Measures; best?: Measures };
  /** What became of what a fleet made: jobs given out, parts taken, minibatches trained, lost, duplicate, expired. */
  source?: Readonly<Record<string, number>>;
  /** What flowed through each stage since the run was last started, and where time was waited. */
  stages?: Readonly<Record<string, StageCounts>>;
}

/** What `diagnostics_channel`'s channel `taustream:step` is told after each step. */
export interface StepMessage {
  readonly model: tf.LayersModel;
  readonly record: StepRecord;
}
