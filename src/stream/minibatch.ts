import * as tf from '@tensorflow/tfjs';
import { gatherRows, type Column } from './columns.ts';
import type { Phase } from './gate.ts';
import { uploaded, type Presample } from './presample.ts';

/** How a minibatch was drawn. */
export interface Draw {
  readonly phase: Phase;
  /** Row of the presample behind each sample, [b]. Samples may repeat: the draw is with replacement. */
  readonly picks: Int32Array;
  /** What each sample's loss is multiplied by, [b]: by Algorithm 1 1 / (B g) in the importance phase, 1 in the uniform one. */
  readonly weights: Float32Array;
  /** What each sample was drawn by, [b], where the draw goes by probabilities that sum to 1 over the presample. */
  readonly probabilities?: Float32Array;
  /** The smoothed τ when the minibatch was drawn. */
  readonly tau: number;
  /** How many steps the parameters behind the scores had taken. */
  readonly version: number;
  /** By what τ the draw has reduced the variance, for the probabilities drawn by. @default 1 */
  readonly drawTau?: number;
  /** Which of the minibatches drawn from its presample it is, from 0, and how many there are. @default the only one */
  readonly turn?: number;
  readonly turns?: number;
  /** The draws that follow from its presample. @default none */
  readonly rest?: readonly Draw[];
}

/**
 * A weighted minibatch: b rows of a presample. Columns are gathered when asked for, on the host for consumers of any
 * kind, or on the engine, where the presample's tensors already lie.
 *
 * Whoever takes it calls `dispose()` when done; until then its presample's buffers cannot be used again.
 * @example
 * for await (const batch of resample({ gate, batchSize: 32, seed: 7 })(scored)) {
 *   using taken = batch; // disposed at the end of the block
 *   console.log(taken.ids, taken.weights, taken.column('x').shape);
 * }
 */
export class Minibatch implements Disposable {
  readonly ids: readonly string[];
  readonly phase: Phase;
  readonly picks: Int32Array;
  readonly weights: Float32Array;
  /** What each sample was drawn by, [b]; absent in the uniform phase, and where the draw does not go by probabilities. */
  readonly probabilities: Float32Array | undefined;
  readonly tau: number;
  readonly version: number;
  /** By what τ the draw has reduced the variance; 1 for a uniform one. */
  readonly drawTau: number;
  /** Which of the presample's minibatches it is, from 0, and how many are drawn from it. */
  readonly turn: number;
  readonly turns: number;
  /** Whether no further minibatch is drawn from its presample. */
  readonly isLast: boolean;
  /** The draws from its presample that come after it: what a run stopped here has still to take. */
  readonly rest: readonly Draw[];
  /** The buffer it was drawn from. */
  readonly presample: Presample;
  readonly #tensors = new Map<string, tf.Tensor>();
  #disposed = false;

  constructor(presample: Presample, draw: Draw) {
    this.presample = presample.retain();
    this.ids = Array.from(draw.picks, (row) => presample.ids[row]!);
    this.phase = draw.phase;
    this.picks = draw.picks;
    this.weights = draw.weights;
    this.probabilities = draw.probabilities;
    this.tau = draw.tau;
    this.version = draw.version;
    this.drawTau = draw.drawTau ?? 1;
    this.turn = draw.turn ?? 0;
    this.turns = draw.turns ?? 1;
    this.isLast = this.turn === this.turns - 1;
    this.rest = draw.rest ?? [];
  }

  /** Samples held, b. */
  get size(): number {
    return this.picks.length;
  }

  /** The model's input, [b, ...]. @returns owned by the caller */
  get x(): Column {
    return this.column('x');
  }

  /** The target, [b, ...]. @returns owned by the caller */
  get y(): Column {
    return this.column('y');
  }

  /** Any column, gathered on the host. @returns owned by the caller */
  column(name: string): Column {
    return gatherRows(this.presample.column(name), this.picks);
  }

  /** Any column, gathered on the engine. @returns borrowed: valid until `dispose` */
  tensor(name: string): tf.Tensor {
    if (this.phase === 'uniform') return this.presample.tensor(name);
    const known = this.#tensors.get(name);
    if (known) return known;
    const gathered = this.#gathered(name);
    this.#tensors.set(name, gathered);
    return gathered;
  }

  /** A column that nothing on the engine has asked for yet need not go there whole for one draw's rows. */
  #gathered(name: string): tf.Tensor {
    if (this.turns === 1 && !this.presample.isUploaded(name)) return uploaded(this.column(name));
    const source = this.presample.tensor(name);
    return tf.keep(tf.tidy(() => tf.gather(source, tf.tensor1d(this.picks, 'int32'))));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const gathered of this.#tensors.values()) gathered.dispose();
    this.#tensors.clear();
    this.presample.release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
