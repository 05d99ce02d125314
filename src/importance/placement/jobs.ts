import type { EngineName } from '../../engine/engine.ts';
import type { EngineOptions } from '../../engine/use-engine.ts';
import type { ErrorFacts } from '../../errors.ts';
import type { ColumnType, Schema } from '../../stream/columns.ts';

/*
 * What goes between a trainer and whoever scores for it: plain values, fit for any way of sending. Tensors never do;
 * parameters and columns are bytes, and where these lie is the sender's affair (`Bytes`: a region of a shared file, say).
 */

/** One of a model's weights, as it lies in the bytes of the parameters. */
export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
}

/** All that is needed to build the scoring half of a run elsewhere: everything but the parameters' values. */
export interface ScoreRecipe {
  /** The model's layers as tfjs writes them, JSON. */
  readonly topology: string;
  readonly weights: readonly WeightSpec[];
  /** A loss by name for each output, `tf.losses.…` for the functions of tfjs; absent: `loss` of the module. */
  readonly losses?: readonly string[];
  /** A scheme by name; absent: `scheme` of the module. */
  readonly scheme?: string;
  readonly schema: Schema;
  readonly scoreBatchSize: number;
  readonly engine: EngineName | 'auto';
  readonly engineOptions: EngineOptions;
  /** The file to import first, absolute. */
  readonly module?: string;
}

/** A column of a job: its rows lie behind those of the column before, without gaps. */
export interface JobColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly shape: readonly number[];
}

/** Asks for the scores of a presample. */
export interface ScoreJob<Bytes> {
  /** Steps that the parameters have taken. */
  readonly version: number;
  readonly parameters: Bytes;
  readonly rows: number;
  readonly columns: readonly JobColumn[];
  readonly data: Bytes;
}

/** What is asked of the scoring process; each request has one answer with the same id. */
export type Request<Bytes> =
  | { readonly id: number; readonly kind: 'open'; readonly recipe: ScoreRecipe }
  | { readonly id: number; readonly kind: 'score'; readonly job: ScoreJob<Bytes> };

export type Answer =
  | { readonly id: number; readonly kind: 'opened'; readonly engine: string }
  | { readonly id: number; readonly kind: 'scored'; readonly scores: Float32Array; readonly version: number }
  | { readonly id: number; readonly kind: 'failed'; readonly failure: Failure };

/** An error as plain values. */
export interface Failure {
  readonly code?: string;
  readonly message: string;
  readonly facts: ErrorFacts;
}
