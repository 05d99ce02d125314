import * as tf from '@tensorflow/tfjs';
import { ScoreError, ShapeError } from '../errors.ts';
import type { Column } from '../stream/columns.ts';
import type { Phase } from '../stream/gate.ts';
import type { Minibatch } from '../stream/minibatch.ts';
import { expectScores } from './scores.ts';

/** Told once each what a consumer does with its batch. */
export interface BatchEvents {
  readonly onReport: (batch: WeightedBatch, scores: Float32Array) => void;
  /** The step on it was taken. */
  readonly onFinish: (batch: WeightedBatch) => void;
}

/**
 * A weighted minibatch in the hands of a trainer that is not ours: its columns on the host or on the engine, and a way
 * to report back.
 */
export class WeightedBatch implements Disposable {
  readonly ids: readonly string[];
  readonly phase: Phase;
  /** What each sample's loss is multiplied by, [b], before the mean over the batch. */
  readonly weights: Float32Array;
  /** The smoothed τ when it was drawn. */
  readonly tau: number;
  /** Steps that the trainer had taken when its scores were made. */
  readonly version: number;
  readonly #names: readonly string[];
  readonly #events: BatchEvents;
  #minibatch: Minibatch | undefined;
  #columns: Readonly<Record<string, Column>> = {};
  readonly #tensors = new Map<string, tf.Tensor>();
  #reported = false;
  #finished = false;

  constructor(minibatch: Minibatch, events: BatchEvents) {
    this.ids = minibatch.ids;
    this.phase = minibatch.phase;
    this.weights = minibatch.weights;
    this.tau = minibatch.tau;
    this.version = minibatch.version;
    this.#names = Object.keys(minibatch.presample.columns);
    this.#minibatch = minibatch;
    this.#events = events;
  }

  /** Samples held, b. */
  get size(): number {
    return this.ids.length;
  }

  /** The model's input, [b, ...]. @returns owned by the caller */
  get x(): Column {
    return this.column('x');
  }

  /** The target, [b, ...]. @returns owned by the caller */
  get y(): Column {
    return this.column('y');
  }

  /** Every column by name. @returns owned by the caller */
  get columns(): Record<string, Column> {
    return Object.fromEntries(this.#names.map((name) => [name, this.column(name)]));
  }

  /** Every column as it lies in memory, where nothing has to be gathered. @returns borrowed: valid until `dispose` */
  borrowColumns(): Record<string, Column> {
    return this.#minibatch && this.phase === 'uniform' ? { ...this.#minibatch.presample.columns } : this.columns;
  }

  /**
   * A column on the host. @returns owned by the caller
   * @throws {ShapeError} when there is no such column, or the batch was disposed
   */
  column(name: string): Column {
    const known = this.#columns[name];
    if (known) return known;
    return this.#alive(name).column(name);
  }

  /**
   * A column on the engine. @returns borrowed: valid until `dispose`, or until the next batch is asked for
   * @throws {ShapeError} when there is no such column, or the batch was disposed
   */
  tensor(name: string): tf.Tensor {
    const column = this.#columns[name];
    if (!column) return this.#alive(name).tensor(name);
    const known = this.#tensors.get(name);
    if (known) return known;
    const data = column.data instanceof Uint8Array ? Int32Array.from(column.data) : column.data;
    const made = tf.keep(tf.tensor(data, [...column.shape], column.type === 'float32' ? 'float32' : 'int32'));
    this.#tensors.set(name, made);
    return made;
  }

  /**
   * Tells the sampler how much each sample of this batch matters: its score or its loss. Reports on uniform batches move
   * the τ gate; with `scorer: 'reported'` every report is what the samples are drawn by later.
   *
   * @param scores one a sample, at least 0, in the order of `ids`
   * @throws {ScoreError} when they are too few or many, not finite, negative, or reported already
   */
  report(scores: ArrayLike<number>): void {
    const where = `report() on the batch of ${this.ids[0]}`;
    if (this.#reported)
      throw new ScoreError(`${where}: expected one report a batch, got another. Report once.`, { ids: this.ids });
    const checked = expectScores(where, this.ids, scores);
    this.#reported = true;
    this.#events.onReport(this, checked);
  }

  /** Whether `report` was called. */
  get isReported(): boolean {
    return this.#reported;
  }

  /** Takes the columns along, so that the buffer behind the batch is free again. */
  detach(): this {
    if (!this.#minibatch) return this;
    this.#columns = this.columns;
    this.#minibatch.dispose();
    this.#minibatch = undefined;
    return this;
  }

  /** Says that the step on this batch was taken. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#events.onFinish(this);
  }

  /** Ends its life: its step is taken, its tensors are gone. Disposing twice does nothing. */
  dispose(): void {
    this.#minibatch?.dispose();
    this.#minibatch = undefined;
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
    this.finish();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #alive(name: string): Minibatch {
    if (this.#minibatch) return this.#minibatch;
    const what = this.#names.includes(name) ? 'a batch that is not disposed' : `one of \`${this.#names.join('`, `')}\``;
    throw new ShapeError(
      `Batch of ${this.ids[0]}: expected ${what} when column \`${name}\` is read. Read it before the next batch is asked for.`,
      { name },
    );
  }
}
