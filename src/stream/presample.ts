import * as tf from '@tensorflow/tfjs';
import { ShapeError } from '../errors.ts';
import type { Column } from './columns.ts';
import type { Phase } from './gate.ts';
import type { Draw } from './minibatch.ts';

/**
 * Which samples of its source a presample stage is done with: so many were taken, and of these some wait in buckets, by
 * their number in the source, ascending.
 */
export interface Passed {
  readonly taken: number;
  readonly waiting: readonly number[];
}

/** What is known of a buffer beside its samples. */
export interface PresampleFacts {
  /** Which samples were passed when it was filled. @default its own, as if it were the first */
  readonly passed?: Passed;
  /** What its samples weigh for the buffer that they came in. @default 1 */
  readonly weight?: number;
  /** Samples in a minibatch that is drawn from it, where its bucket has a size of its own. */
  readonly batchSize?: number;
  /** Samples that were asked for. @default those that it has */
  readonly rows?: number;
  /** What is still to be taken from it, where an earlier run stopped in its middle. */
  readonly drawn?: readonly Draw[] | undefined;
  /** What it is called where it was made, if that was elsewhere: job and part, say. */
  readonly origin?: string;
  /** Called once, when nobody uses the storage any more. */
  readonly recycle?: () => void;
}

/**
 * A buffer of samples as columns: B of them when the gate was open at the fill, b when it was shut.
 *
 * Several minibatches may be drawn from one presample, so it counts its users: it is born with one, `retain` adds one,
 * `release` takes one away. With the last, its tensors are disposed and its storage goes back to the ring.
 * @example
 * const column = { type: 'float32', shape: [2, 3], data: new Float32Array(6) } as const;
 * const buffer = new Presample(['a:0', 'a:1'], { x: column }, 'importance');
 * buffer.tensor('x').shape; // [2, 3]
 * buffer.release();
 */
export class Presample implements Disposable {
  readonly ids: readonly string[];
  readonly columns: Readonly<Record<string, Column>>;
  readonly phase: Phase;
  /** Samples that were asked for when it was filled. */
  readonly rows: number;
  /** Which samples of the source the stage had done with when it had filled this buffer. */
  readonly passed: Passed;
  /**
   * What its samples weigh, so that each moves the parameters equally, whichever bucket's buffer it came in: the
   * buffer's samples over those that a buffer has without buckets.
   */
  readonly weight: number;
  /** Samples in a minibatch that is drawn from it, where its bucket has a size of its own. */
  readonly batchSize: number | undefined;
  /** What an earlier run had drawn from it and not trained on yet: then it is neither scored nor drawn from again. */
  readonly drawn: readonly Draw[] | undefined;
  /** What it is called where it was made, if that was elsewhere. */
  readonly origin: string | undefined;
  readonly #tensors = new Map<string, tf.Tensor>();
  readonly #recycle: () => void;
  #users = 1;
  #disposed = false;

  constructor(
    ids: readonly string[],
    columns: Readonly<Record<string, Column>>,
    phase: Phase,
    facts: PresampleFacts = {},
  ) {
    this.ids = ids;
    this.columns = columns;
    this.phase = phase;
    this.rows = facts.rows ?? ids.length;
    this.passed = facts.passed ?? { taken: ids.length, waiting: [] };
    this.weight = facts.weight ?? 1;
    this.batchSize = facts.batchSize;
    this.drawn = facts.drawn;
    this.origin = facts.origin;
    this.#recycle = facts.recycle ?? (() => {});
  }

  /** Bytes held on the host. */
  get bytes(): number {
    return Object.values(this.columns).reduce((sum, column) => sum + column.data.byteLength, 0);
  }

  /** Samples held. */
  get size(): number {
    return this.ids.length;
  }

  /**
   * A column as a tensor, uploaded once. uint8 columns become int32, the nearest type that tfjs has.
   * @returns borrowed: valid until the last `release`
   */
  tensor(name: string): tf.Tensor {
    const known = this.#tensors.get(name);
    if (known) return known;
    const { type, shape, data } = this.column(name);
    const fresh = uploaded({ type, shape, data: data instanceof Uint8Array ? data : data.slice() }); // filled again later
    this.#tensors.set(name, fresh);
    return fresh;
  }

  /** Whether the column lies on the engine already. */
  isUploaded(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** @throws {ShapeError} when there is no such column */
  column(name: string): Column {
    const column = this.columns[name];
    if (column) return column;
    const known = Object.keys(this.columns).join('`, `');
    throw new ShapeError(`Presample: no column \`${name}\`; there are \`${known}\`. Name one of these.`, { name });
  }

  retain(): this {
    this.#users += 1;
    return this;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.dispose();
  }

  /** `using` a presample releases it. */
  [Symbol.dispose](): void {
    this.release();
  }

  /** Ends its life whoever uses it still: for a pipeline that was stopped with buffers on their way. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
    this.#recycle();
  }
}

/** A column as a tensor that is kept, of the column's own memory where its type allows it. @returns owned by the caller */
export function uploaded({ type, shape, data }: Column): tf.Tensor {
  const numbers = data instanceof Uint8Array ? Int32Array.from(data) : data;
  return tf.keep(tf.tensor(numbers, [...shape], type === 'float32' ? 'float32' : 'int32'));
}

/** A presample with its scores, if the phase asks for any. */
export interface Scored {
  readonly presample: Presample;
  /** Unnormalised, finite, at least 0: one a sample. Absent in the uniform phase. */
  readonly scores?: Float32Array;
  /** How many steps the parameters behind the scores had taken. */
  readonly version: number;
}

/** Samples that are trained on or passed by for good. */
export const seenOf = ({ taken, waiting }: Passed): number => taken - waiting.length;
