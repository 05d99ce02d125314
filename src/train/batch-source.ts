import type { Scheme } from '../importance/scheme.ts';
import type { Head } from '../model/head.ts';
import type { TauGate } from '../resample/tau-gate.ts';
import type { InFlight } from '../stream/in-flight.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import type { Corpus, Position } from '../stream/sample.ts';
import type { FitOptions, FitSettings } from './fit-options.ts';

/** What a run tells a source of minibatches about itself. */
export interface SourceContext {
  readonly head: Head;
  readonly corpus: Corpus;
  readonly scheme: Scheme;
  readonly values: FitSettings;
  /** The run's gate: the source asks it what to make next, and tells it the scores of presamples. */
  readonly gate: TauGate;
  readonly inFlight: InFlight;
  readonly onScores: NonNullable<FitOptions['onScores']>;
  readonly onSkip: FitOptions['onSkip'] | undefined;
  /** What `position()` of the same run gave at its last checkpoint. */
  readonly position: Position | undefined;
}

/**
 * Where a run's minibatches come from when they are not made in its own process: filled, scored, drawn and weighed
 * elsewhere. Each one's presample holds the drawn rows alone, and counts in `passed` the samples it was drawn from.
 */
export interface BatchSource {
  /** Resolves when minibatches may be asked for. @throws {TaustreamError} when there will be none, saying why */
  start(signal?: AbortSignal): Promise<void>;
  /** Ends with the corpus, or when the signal aborts. */
  minibatches(signal: AbortSignal): AsyncGenerator<Minibatch, void, void>;
  /** Told of each minibatch when its step is taken, before anything else is asked. */
  trained(batch: Minibatch): void;
  /** Which samples are trained on: plain values, for a checkpoint. */
  position(): Position;
  /** What became of what was made, counted by name: for the run's summary. */
  account?(): Readonly<Record<string, number>>;
  /** Lets go of whatever it holds. Never throws. */
  close(): Promise<void>;
}

/** Opens a source for one run. @throws {TaustreamError} when it does not fit the run */
export type OpenBatchSource = (context: SourceContext) => BatchSource;
