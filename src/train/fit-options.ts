import type * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import type { Scheme } from '../importance/scheme.ts';
import { ImportanceOptions } from '../importance/importance.ts';
import { Seed } from '../options.ts';
import { LengthOptions } from '../presample/lengths.ts';
import { PlacementOptions } from '../importance/placement/placement-options.ts';
import { SmoothingOptions } from '../resample/smoothing.ts';
import { TauGateOptions } from '../resample/tau-gate.ts';
import { clockNames } from '../stream/clock.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import type { Presample } from '../stream/presample.ts';
import type { Corpus } from '../stream/sample.ts';
import type { OpenBatchSource } from './batch-source.ts';
import { EarlyStoppingOptions } from './early-stopping.ts';
import { FineTuningOptions } from './fine-tuning/fine-tuning-options.ts';
import { RateScalingOptions } from './rate-scaling.ts';
import type { TensorData } from './safetensors.ts';
import type { ScheduleOptions } from './schedule.ts';
import type { Measures, StepRecord } from './step-record.ts';
import type { Trainers } from './trainers/trainers.ts';

const count = z.int().positive();

/** The plain values among the options of a run; see FitOptions for the rest. */
export const FitValues = z
  .strictObject({
    /**
     * What the options not given are taken from: `paper` is exactly Algorithm 1, `fast` what pays by the clock.
     * @default 'fast'; 'paper' where a scheme, or an option of its scores, gate or draws, is given
     */
    mode: z.enum(['paper', 'fast']).default('fast'),
    /** Samples scored at a time, the paper's B. @default 640 – the paper's CIFAR setting */
    presampleSize: count.default(640),
    /** Samples trained on at a time, the paper's b. @default 128 – the paper's CIFAR setting */
    batchSize: count.default(128),
    /** Samples in one forward pass of scoring; bounds its memory. @default 256 – guess */
    scoreBatchSize: count.default(256),
    /** Minibatches drawn from each scored presample. @default 1 – Algorithm 1 */
    draws: count.max(10_000).default(1),
    /** What the learning rate of a step drawn by importance is multiplied with. @default 'none' – Algorithm 1 */
    rateScaling: RateScalingOptions.default('none'),
    ...SmoothingOptions.shape,
    ...TauGateOptions.shape,
    ...ImportanceOptions.shape,
    /** Base of every random choice. @default 0 */
    seed: Seed.default(0),
    /** Steps after which to stop. */
    steps: count.optional(),
    /** Seconds of training after which to stop, at the end of the step then running; validation does not count. */
    seconds: z.number().positive().optional(),
    /** What `seconds`, and the costs that a gate weighs, are measured by: the wall's clock, or the time processors spent on this process. @default 'wall' */
    clock: z.enum(clockNames).default('wall'),
    /** Passes over the corpus after which to stop. */
    epochs: count.optional(),
    /** Buckets, padding and the longest sample, where samples have lengths of their own. */
    lengths: LengthOptions.optional(),
    /** The largest norm of the whole gradient. */
    clipNorm: z.number().positive().optional(),
    /** Decoupled weight decay of kernels and embeddings, per unit of learning rate. @default 0 */
    weightDecay: z.number().nonnegative().default(0),
    /** Decay of a moving average of the weights, in (0, 1), which is validated and kept in their place; none without it. */
    averaging: z.number().gt(0).lt(1).optional(),
    /** Stops when the validation gets no better, and keeps the best weights; never without it. */
    earlyStopping: EarlyStoppingOptions.optional(),
    /** Trains a pretrained network in rounds, from its new head down into its blocks; all at once without it. */
    fineTuning: FineTuningOptions.optional(),
    /** Steps between validations, or `'epoch'`; 0 for the start and the end only. @default 0 */
    validateEvery: z.union([z.int().nonnegative(), z.literal('epoch')]).default(0),
    /** Further validations, spread evenly over the budget between start and end. @default 0 */
    validations: z.int().nonnegative().default(0),
    /** Samples of the validation corpus to look at, from its beginning; all of them without it. */
    validationSamples: count.optional(),
    /** Minibatches that may be made ahead of the trainer; 0 is lockstep, exactly Algorithm 1. @default 0 */
    ahead: z.int().nonnegative().default(0),
    /** Where presamples are scored: here, or ahead of the trainer by another process. @default here */
    score: PlacementOptions.optional(),
  })
  .refine((o) => o.ahead === 0 || o.score === undefined, {
    path: ['ahead'],
    error: 'cannot be given beside `score`: give `score.ahead`',
  })
  .refine((o) => o.batchSize <= o.presampleSize, {
    path: ['batchSize'],
    error: 'must be at most `presampleSize`: a batch is drawn from it',
  })
  .refine((o) => o.steps !== undefined || o.seconds !== undefined || o.epochs !== undefined, {
    path: ['steps'],
    error: 'or `seconds` or `epochs` must be given: a run needs an end',
  });

/** The plain values, checked and with their defaults. */
export type FitSettings = Readonly<z.output<typeof FitValues>>;

/** What a run goes on from. */
export interface Checkpoint {
  /** Parameters and optimiser slots by name. */
  readonly tensors: Readonly<Record<string, TensorData>>;
  /** Everything else: step, gate, random states, position in the corpus. Plain values only. */
  readonly state: Readonly<Record<string, unknown>>;
}

/** What a checkpoint needs of a run; the tensors are borrowed. */
export interface Snapshot {
  readonly tensors: Readonly<Record<string, tf.Tensor>>;
  readonly state: Readonly<Record<string, unknown>>;
}

/** How a run goes. Sizes in samples, times in the unit that the name says. */
export type FitOptions = z.input<typeof FitValues> & {
  /** How samples are chosen, by name or of your own. @default what the mode says: 'upper-bound' in `paper`, 'infobatch' in `fast` */
  readonly scheme?: string | Scheme;
  /** A number, a schedule over the budget, or a function. @default the optimizer's own rate */
  readonly learningRate?: ScheduleOptions;
  /** What a weight's learning rate is multiplied with, by the weight's name (`layer/kernel`). @default 1 for each */
  readonly rateOf?: (weight: string) => number;
  /** Measured at the start, every `validateEvery` steps and at the end. */
  readonly validation?: Corpus;
  /** Adds measures that follow from others, such as bits from nats. */
  readonly deriveMeasures?: (measures: Measures) => Measures;
  readonly signal?: AbortSignal;
  /** Makes the minibatches elsewhere, as `fleet` does on other machines. @default in this process */
  readonly source?: OpenBatchSource;
  /** Trains together with the same run in other processes, from `joinTrainers`: each on its share of the samples. */
  readonly trainers?: Trainers;
  /**
   * Goes on from a checkpoint (`readCheckpoint`) of a run with the same model, corpus, seed and sizes, so that the two
   * runs together take the steps of one that was never stopped: sample for sample, and bit for bit in lockstep with a
   * fixed `tauThreshold`. With `ahead`, buffers that were not trained on yet are fetched and scored again.
   */
  readonly resume?: Checkpoint;
  /** Called after each step, with a function that gives what a checkpoint needs. */
  readonly onStep?: (record: StepRecord, snapshot: () => Snapshot) => void | Promise<void>;
  /** Called with each scored presample, before anything is drawn, and with a uniform step's batch and its scores. */
  readonly onScores?: (batch: Presample | Minibatch, scores: Float32Array) => void;
  /** Called with each minibatch (ids, weights, τ) before its step. */
  readonly onMinibatch?: (batch: Minibatch) => void;
  /** Called at the end of each pass over the corpus, and of the last, unfinished one. */
  readonly onEpoch?: (epoch: number, measures: { loss: number; validation?: Measures }) => void | Promise<void>;
  /** Called when the last step is taken, before the optimizer's memory is freed: the time to save. */
  readonly onEnd?: (snapshot: Snapshot) => void | Promise<void>;
  /** Called with the ids that `onBadScore: 'skip'` left out. */
  readonly onSkip?: (ids: readonly string[]) => void;
  /** Called with each sample that `lengths.truncate: 'drop'` left out. */
  readonly onDrop?: (id: string, steps: number) => void;
};

/** How a copy of a run's model is trained: uniformly, in a share of the run's budget. */
export const optionsOfCopy = (values: FitSettings, share: number): FitOptions => {
  const { batchSize, seed, clipNorm, weightDecay, steps, seconds, lengths, clock } = values;
  return {
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
  };
};
