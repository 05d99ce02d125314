import * as tf from '@tensorflow/tfjs';
import { createRng } from '../../stream/random.ts';
import type { Engine } from '../engine.ts';

/** Numbers by name, read back from an engine. */
export type Readings = Readonly<Record<string, ArrayLike<number>>>;

/** Kinds of cases, in the order in which they run. */
export const conformanceGroups = ['op', 'layer', 'score', 'training', 'compiled'] as const;
export type ConformanceGroup = (typeof conformanceGroups)[number];

/** One thing that every engine must compute alike. */
export interface ConformanceCase {
  readonly group: ConformanceGroup;
  readonly name: string;
  /** Largest error allowed for a value v: tolerance * (1 + |v|). */
  readonly tolerance: number;
  /**
   * What the readings are held against: the `cpu` engine's, or, for compiled steps, those of the same engine with the
   * step run op by op.
   */
  readonly against: 'cpu' | 'eager';
  /** Computes on the active engine and leaves no tensor behind. */
  compute(engine: Engine): Promise<Readings>;
  /** What is right, where that is computed another way than `compute`: by stock layers for those made fast. */
  reference?(engine: Engine): Promise<Readings>;
}

export type Tensors = Record<string, tf.Tensor>;

/** An input: a shape of numbers drawn evenly from [low, high), the same on every engine. */
export interface InputSpec {
  readonly shape: readonly number[];
  readonly low?: number;
  readonly high?: number;
  readonly dtype?: 'float32' | 'int32' | 'bool';
}

/** The numbers of an input; `name` keeps two inputs of a case apart. */
function inputValues({ shape, low = -1, high = 1 }: InputSpec, name: string): Float32Array {
  const rng = createRng(1, name);
  return Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => low + (high - low) * rng.uniform());
}

export const inputTensor = (spec: InputSpec, name: string): tf.Tensor => {
  const { shape, dtype = 'float32' } = spec;
  const values = inputValues(spec, name);
  return tf.tensor(dtype === 'float32' ? values : values.map(Math.floor), [...shape], dtype);
};

/** Reads tensors without blocking, which some engines cannot, and disposes them. */
export async function read(tensors: Tensors): Promise<Readings> {
  try {
    const entries = Object.entries(tensors);
    return Object.fromEntries(await Promise.all(entries.map(async ([name, tensor]) => [name, await tensor.data()])));
  } finally {
    tf.dispose(tensors);
  }
}

/** A sum of the outputs, each number weighted by its own, so that no gradient cancels or is flat. */
export const weightedSum = (outputs: readonly tf.Tensor[]): tf.Scalar =>
  tf.tidy(() =>
    outputs
      .filter((output) => output.dtype === 'float32')
      .map((output, i) => output.mul(inputTensor({ shape: output.shape }, `weights ${i}`)).sum())
      .reduce<tf.Scalar>((total, each) => total.add(each), tf.scalar(0)),
  );

/** Two readings that a case may have, which must agree on each engine: a gradient against a difference of losses. */
export const slope = 'slope by the gradient';
export const finiteDifference = 'slope by a finite difference';
