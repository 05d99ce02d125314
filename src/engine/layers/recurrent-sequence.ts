import * as tf from '@tensorflow/tfjs';
import { ShapeError } from '../../errors.ts';
import { onceDifferentiable } from '../once-differentiable.ts';

/** The activations of the gates that the fused layers know. The candidate's is tanh. */
export const gateActivations = ['sigmoid', 'hardSigmoid'] as const;
export type GateActivation = (typeof gateActivations)[number];

export interface SequenceOptions {
  readonly recurrentActivation: GateActivation;
  /** States before the first step, each [B, H]: h for a GRU, h and c for an LSTM. Zeros when left out. */
  readonly initialState?: readonly tf.Tensor2D[] | undefined;
  /** 1 where a step counts, 0 where it repeats the state before it, float32 [B, T]. */
  readonly mask?: tf.Tensor2D | undefined;
  /** Whether the caller uses `states`; an LSTM's cell state is worth its cost only then. */
  readonly needsStates?: boolean;
}

/** What a recurrent layer gives for a sequence. */
export interface SequenceResult {
  readonly outputs: tf.Tensor3D; // [B, T, H]
  /** States after the last step; empty unless `needsStates`. */
  readonly states: readonly tf.Tensor2D[];
}

/**
 * A recurrent layer over whole sequences, differentiable in all its tensors. Gates lie side by side in the weights: i, f,
 * g, o for an LSTM (G = 4), update, reset, candidate for a GRU (G = 3).
 */
export type RecurrentSequence = (
  x: tf.Tensor3D, // [B, T, I]
  kernel: tf.Tensor2D, // [I, G * H]
  recurrentKernel: tf.Tensor2D, // [H, G * H]
  bias: tf.Tensor1D, // [G * H]
  options: SequenceOptions,
) => SequenceResult;

/** What the two passes of a recurrence get: the tensors of `RecurrentSequence`, with the initial states spelt out. */
export interface RecurrenceInputs {
  readonly x: tf.Tensor3D;
  readonly kernel: tf.Tensor2D;
  readonly recurrentKernel: tf.Tensor2D;
  readonly bias: tf.Tensor1D;
  readonly states: readonly tf.Tensor2D[];
  readonly mask: tf.Tensor2D | undefined;
  readonly recurrentActivation: GateActivation;
}

/** A recurrence with its gradient written by hand, which has no gradient itself. */
export interface Recurrence {
  /** `saved` is what `backward` needs beside the inputs; where no gradient will be asked for, it may be left out. */
  forward(
    inputs: RecurrenceInputs,
    hasGradient: boolean,
  ): {
    readonly outputs: tf.Tensor3D;
    readonly lastCell?: tf.Tensor2D;
    readonly saved: readonly tf.Tensor[];
  };
  /** Gradients of x, kernel, recurrentKernel, bias and each state, in this order. */
  backward(
    inputs: RecurrenceInputs,
    saved: readonly tf.Tensor[],
    dOutputs: tf.Tensor3D,
    dLastCell: tf.Tensor2D | undefined,
  ): tf.Tensor[];
}

/** Makes a layer of a recurrence: `stateCount` is 2 where a cell state goes along with the outputs, else 1. */
export function differentiable(recurrence: Recurrence, stateCount: 1 | 2): RecurrentSequence {
  return (x, kernel, recurrentKernel, bias, options) => {
    const [batch, steps] = x.shape;
    const size = recurrentKernel.shape[0];
    const initial = options.initialState ?? [];
    const states = Array.from({ length: stateCount }, (_, i) => initial[i] ?? tf.zeros<tf.Rank.R2>([batch, size]));
    const withCell = stateCount === 2 && options.needsStates === true;
    const inputs = [x, kernel, recurrentKernel, bias, ...states];
    const packed = runWithGradient(recurrence, inputs, options, withCell);
    const outputs = withCell ? packed.slice([0, 0, 0], [batch, steps, size]) : packed;
    if (options.needsStates !== true) return { outputs, states: [] };
    const last = outputs.slice([0, steps - 1, 0], [batch, 1, size]).reshape<tf.Tensor2D>([batch, size]);
    const cell = withCell ? [packed.slice([0, steps, 0], [batch, 1, size]).reshape<tf.Tensor2D>([batch, size])] : [];
    return { outputs, states: [last, ...cell] };
  };
}

/**
 * Runs `forward` under `tf.customGrad`, which knows functions of one result: the last cell state, where it is wanted,
 * rides behind the outputs as one more step, [B, T + 1, H].
 */
function runWithGradient(
  recurrence: Recurrence,
  tensors: readonly tf.Tensor[],
  { mask, recurrentActivation }: SequenceOptions,
  withCell: boolean,
): tf.Tensor3D {
  const asInputs = (list: readonly tf.Tensor[], maskOrNot: tf.Tensor | undefined): RecurrenceInputs => {
    // The order and ranks are those of `differentiable`, which builds the list; tfjs hands them back as plain tensors.
    const [x, kernel, recurrentKernel, bias, ...states] = list as unknown as [
      ...[tf.Tensor3D, tf.Tensor2D, tf.Tensor2D, tf.Tensor1D],
      ...tf.Tensor2D[],
    ];
    return {
      x,
      kernel,
      recurrentKernel,
      bias,
      states,
      mask: maskOrNot as tf.Tensor2D | undefined,
      recurrentActivation,
    };
  };
  const run = tf.customGrad((...args) => {
    const inputs = args.slice(0, tensors.length) as tf.Tensor[];
    // customGrad's type does not say that the function which saves comes after the tensors.
    const save = args[tensors.length] as unknown as tf.GradSaveFunc;
    const { outputs, lastCell, saved } = recurrence.forward(
      asInputs(inputs, mask),
      tf.engine().state.gradientDepth > 0,
    );
    save([...inputs, ...(mask ? [mask] : []), ...saved]);
    const { length } = inputs;
    const first = length + (mask ? 1 : 0);
    const value = withCell && lastCell ? tf.concat3d([outputs, lastCell.expandDims<tf.Tensor3D>(1)], 1) : outputs;
    return {
      value,
      gradFunc: (dy: tf.Tensor, all: tf.Tensor[]) => {
        const again = asInputs(all.slice(0, length), mask && all[length]);
        const [dOutputs, dLastCell] = withCell ? splitCell(dy as tf.Tensor3D) : [dy as tf.Tensor3D, undefined];
        return onceDifferentiable('a fused recurrent layer', [dy, ...all], () =>
          recurrence.backward(again, all.slice(first), dOutputs, dLastCell),
        );
      },
    };
  });
  return run(...tensors);
}

function splitCell(dy: tf.Tensor3D): [tf.Tensor3D, tf.Tensor2D] {
  const [batch, stepsAndCell, size] = dy.shape;
  return [
    dy.slice([0, 0, 0], [batch, stepsAndCell - 1, size]),
    dy.slice([0, stepsAndCell - 1, 0], [batch, 1, size]).reshape([batch, size]),
  ];
}

/** A layer that engines may replace by one of their own, each for its tfjs backend. */
export class ReplaceableSequence {
  readonly #fallback: RecurrentSequence;
  readonly #byBackend = new Map<string, RecurrentSequence>();

  constructor(fallback: RecurrentSequence) {
    this.#fallback = fallback;
  }

  /** Makes `sequence` the implementation while the tfjs backend `backendName` is active. */
  replace(backendName: string, sequence: RecurrentSequence): void {
    this.#byBackend.set(backendName, sequence);
  }

  /** @throws {ShapeError} when the sequences have no step */
  readonly run: RecurrentSequence = (x, kernel, recurrentKernel, bias, options) => {
    if (x.shape[1] === 0)
      throw new ShapeError(
        `a recurrent layer: expected sequences [B, T, I] of at least one step, got [${x.shape.join(',')}]. Leave empty sequences out, or pad them.`,
        { shape: x.shape },
      );
    const sequence = this.#byBackend.get(tf.getBackend()) ?? this.#fallback;
    const { initialState } = options;
    const floats = { ...options, ...(initialState && { initialState: initialState.map(asFloat) }) };
    return sequence(asFloat(x), kernel, recurrentKernel, bias, floats);
  };
}

/** Integers and booleans as the stock layer takes them; engines' own kernels read floats alone. */
const asFloat = <T extends tf.Tensor>(tensor: T): T =>
  tensor.dtype === 'float32' ? tensor : tf.cast(tensor, 'float32');
