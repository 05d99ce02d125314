import type * as tf from '@tensorflow/tfjs';
import type { Head } from '../model/head.ts';
import type { Schema } from '../stream/columns.ts';
import type { Corpus } from '../stream/sample.ts';
import type { Selection } from '../stream/selection.ts';
import type { Scorer } from './model-scorer.ts';

/**
 * The scores of B samples by the head's pre-activations z: at least 0, unnormalised. A scoring pass and a training step
 * both have z at hand.
 * @returns [B], owned by the caller
 */
export type HeadScore = (head: Head, z: readonly tf.Tensor[], y: readonly tf.Tensor[], mask?: tf.Tensor) => tf.Tensor1D;

/**
 * How samples are chosen. A scheme that only scores, by the head, is Algorithm 1 with these scores; whatever else it
 * does (another draw, other weights, a memory of scores) it says when it is started for a run.
 */
export interface Scheme {
  readonly name: string;
  /** By this a presample is scored, and a uniform step's own batch, for nothing. Absent for a scheme that never scores. */
  readonly score?: HeadScore;
  /**
   * Makes what scores presamples, in place of a forward pass with `score`, for a scheme whose scores follow from model and
   * samples alone: then they may be computed anywhere.
   */
  readonly scorer?: (head: Head, options: Pick<SchemeContext, 'schema' | 'scoreBatchSize'>) => Scorer;
  /** Starts it for one run. @throws {ModelError | OptionsError} when it does not fit the model or its loss */
  readonly start?: (context: SchemeContext) => SchemeRun;
}

/** What a scheme may know of the run that it is started for. */
export interface SchemeContext {
  readonly head: Head;
  readonly schema: Schema;
  readonly corpus: Corpus;
  readonly seed: number;
  readonly presampleSize: number;
  readonly batchSize: number;
  /** Samples in one forward pass of scoring. */
  readonly scoreBatchSize: number;
  /** Share of the run's budget that is used up, in [0, 1]. */
  readonly share: () => number;
  /** Holds a share of the samples out, the same for a seed, and measures the model's loss on the first of them. */
  readonly heldOut: (share: number, samples: number) => HeldOut;
  /** Trains a copy of the model, from its present weights, on a corpus in a share of the run's budget. @returns owned by the caller */
  readonly trainCopy: (corpus: Corpus, budgetShare: number) => Promise<tf.LayersModel>;
}

/** Samples that are not trained on. */
export interface HeldOut {
  has(id: string): boolean;
  /** The model's mean loss on them, now. */
  loss(): Promise<number>;
  dispose(): void;
}

/** How the trainer's step differs from plain gradient descent on the minibatch. */
export type VarianceReduction =
  | { readonly kind: 'svrg' | 'scsg' }
  | { readonly kind: 'katyusha'; readonly weights: readonly [momentum: number, anchor: number] };

/** A scheme at work. All of it is optional: what is absent is as in Algorithm 1. */
export interface SchemeRun {
  /** Scores presamples with what it knows of this run, in place of the scheme's own scorer. `null` if they are never scored. */
  readonly scorer?: Scorer | null;
  readonly selection?: Selection;
  /** When presamples of B are fetched and drawn from. @default 'gate' if the scheme has a `score`, else 'never' */
  readonly fetch?: 'gate' | 'always' | 'never';
  /** Samples in a presample, in place of the run's option. */
  readonly presampleSize?: number;
  /** Samples to fetch for the next presample, at most `presampleSize`, by the smoothed τ. */
  readonly fillSize?: (tau: number) => number;
  /** Minibatches to draw from the next presample. @default the run's option */
  readonly drawCount?: () => number;
  /** The smoothed τ above which the gate opens, by the measured costs of a sample. @default (B f + b s) / (b s) */
  readonly breakEven?: (costs: { readonly score: number; readonly step: number }) => number;
  /** Scores that every training step gives of its own minibatch, from z, for `trained`. */
  readonly stepScore?: HeadScore;
  /** Told what a training step's own minibatch scored before the step. */
  trained?(ids: readonly string[], scores: Float32Array): void;
  /** Told what each step cost and gave, for schemes that learn from it. */
  stepped?(loss: number): void | Promise<void>;
  /** Whether a sample is trained on at all; asked before it is buffered. */
  admit?(id: string): boolean;
  /** Weight of an admitted sample in a step without presample. @default 1 */
  readonly weightOf?: (id: string) => number;
  readonly update?: VarianceReduction;
  /** Work to be done within the budget before the first step, such as training a holdout model. */
  prepare?(signal?: AbortSignal): Promise<void>;
  /** What it must remember to go on after a stop: plain values and typed arrays. */
  state?(): unknown;
  restore?(state: unknown): void;
  dispose?(): void;
}
