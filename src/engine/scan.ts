import * as tf from '@tensorflow/tfjs';
import { ShapeError } from '../errors.ts';

/** One step of a scan: from the state before it and one row of each sequence to the state after it and outputs. */
export type ScanStep = (
  carry: readonly tf.Tensor[],
  rows: readonly tf.Tensor[],
  constants: readonly tf.Tensor[],
) => { readonly carry: readonly tf.Tensor[]; readonly outputs: readonly tf.Tensor[] };

export interface ScanInputs {
  /** The state before the first step; shapes and types stay the same. */
  readonly carry: readonly tf.Tensor[];
  /** Sequences, each [T, …]; step t gets row t of each. */
  readonly sequences: readonly tf.Tensor[];
  /** What every step uses, weights above all. Gradients reach these, the carry and the sequences, and nothing else. */
  readonly constants?: readonly tf.Tensor[];
}

export interface ScanResult {
  /** The state after the last step. */
  readonly carry: tf.Tensor[];
  /** The outputs of all steps, each [T, …]. */
  readonly outputs: tf.Tensor[];
}

export type Scan = (step: ScanStep, inputs: ScanInputs) => ScanResult;

const byBackend = new Map<string, Scan>();

/** Makes `implementation` the scan while the TensorFlow.js backend `backendName` is active. */
export function replaceScan(backendName: string, implementation: Scan): void {
  byBackend.set(backendName, implementation);
}

/**
 * Runs a step over the rows of sequences, differentiably. On the engine `tensorflow` it is one loop forward and one
 * backward, in which the step is traced once: compiling and the function's size do not depend on the number of rows. On
 * other engines the steps run one after the other.
 *
 * @returns tensors owned by the caller
 * @throws {ShapeError} when there is no sequence, or their lengths differ
 *
 * @example
 * // a running mean: outputs[0] is [T, F]
 * const { outputs } = scan(([mean], [row]) => {
 *   const next = mean.mul(0.9).add(row.mul(0.1));
 *   return { carry: [next], outputs: [next] };
 * }, { carry: [tf.zeros([F])], sequences: [rows] });
 */
export const scan: Scan = (step, inputs) => {
  expectOneLength(inputs.sequences);
  return (byBackend.get(tf.getBackend()) ?? scanStepByStep)(step, inputs);
};

function expectOneLength(sequences: readonly tf.Tensor[]): void {
  const [first] = sequences;
  if (first && sequences.every(({ rank, shape }) => rank > 0 && shape[0] === first.shape[0])) return;
  const shapes = sequences.map(({ shape }) => `[${shape.join(',')}]`);
  throw new ShapeError(
    `scan(): expected sequences [T, …] of one length, got ${shapes.join(', ') || 'none'}. Pass at least one, cut or padded to the others' length.`,
    { shapes },
  );
}

/** A scan whose steps run one after the other, differentiated step by step. */
export function scanStepByStep(step: ScanStep, inputs: ScanInputs): ScanResult {
  // The result is made anew: a step may give back what it was given, which is not the caller's to dispose twice.
  return tf.tidy(() => {
    const { carry, outputs } = inputs.sequences[0]?.shape[0] === 0 ? runNoStep(step, inputs) : runSteps(step, inputs);
    return { carry: carry.map((tensor) => tensor.clone()), outputs };
  });
}

function runSteps(step: ScanStep, { carry, sequences, constants = [] }: ScanInputs): ScanResult {
  const rows = sequences.map(rowsOf);
  let state = [...carry];
  const outputs: tf.Tensor[][] = [];
  for (let t = 0; t < (rows[0]?.length ?? 0); t++) {
    const made = step(
      state,
      rows.flatMap((all) => all[t] ?? []),
      constants,
    );
    state = [...made.carry];
    outputs.push([...made.outputs]);
  }
  const count = outputs[0]?.length ?? 0;
  return {
    carry: state,
    outputs: Array.from({ length: count }, (_, i) => tf.stack(outputs.flatMap((all) => all[i] ?? []))),
  };
}

/** Over sequences of no rows: outputs [0, …], whose shapes a step over rows of zeros tells. Their gradients are zeros. */
function runNoStep(step: ScanStep, { carry, sequences, constants = [] }: ScanInputs): ScanResult {
  const probe = tf.tidy(() => {
    const rows = sequences.map(({ shape, dtype }) => tf.zeros(shape.slice(1), dtype));
    return step(carry, rows, constants).outputs.map(({ shape, dtype }) => ({ shape: [...shape], dtype }));
  });
  const none = ({ shape, dtype }: (typeof probe)[number]) =>
    tf.customGrad(() => ({
      value: tf.zeros([0, ...shape], dtype),
      gradFunc: () => inputs.map((input) => tf.zeros(input.shape)),
    }));
  const inputs = [...carry, ...sequences, ...constants];
  return { carry: [...carry], outputs: probe.map((spec) => none(spec)(...inputs)) };
}

/** The rows of a sequence; TensorFlow.js cannot differentiate `tf.unstack` of a single one. */
const rowsOf = (sequence: tf.Tensor): tf.Tensor[] =>
  sequence.shape[0] === 1 ? [sequence.reshape(sequence.shape.slice(1))] : tf.unstack(sequence);
