import * as tf from '@tensorflow/tfjs';
import type { CudnnInputs, CudnnOperations } from '../../../../src/engine/tensorflow/cudnn/operations.ts';

/*
 * cuDNN's LSTM in plain arrays, by the equations and the layout of its documentation (CUDNN_LSTM of cudnnRNNMode_t, and
 * cudnnGetRNNWeightParams): eight matrices, W_i W_f W_c W_o of the input and R_i R_f R_c R_o of the state, each [H, columns]
 * row by row, then eight biases in the same order.
 *
 *     i = σ(W_i x + R_i h + bW_i + bR_i)   f, o alike   c' = tanh(W_c x + R_c h + bW_c + bR_c)
 *     c = f c_before + i c'                h = o tanh(c)
 *
 * After the end of a sequence outputs are NaN here, and so are the gradients of its input: nobody may read them.
 */

/** Where a number of the parameters stands. */
function layout(inputSize: number, size: number) {
  const matrices = 4 * size * inputSize;
  const biases = matrices + 4 * size * size;
  return {
    length: biases + 8 * size,
    input: (gate: number, row: number, column: number) => (gate * size + row) * inputSize + column,
    state: (gate: number, row: number, column: number) => matrices + (gate * size + row) * size + column,
    bias: (which: number, gate: number, row: number) => biases + (which * 4 + gate) * size + row,
  };
}

interface Sizes {
  readonly steps: number;
  readonly batch: number;
  readonly inputSize: number;
  readonly size: number;
}

/** Everything that one step of one sequence computes. */
interface Trace {
  readonly x: number[];
  readonly hBefore: number[];
  readonly cBefore: number[];
  readonly gates: number[][]; // i, f, c', o
  readonly c: number[];
  readonly h: number[];
}

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
const squash = [sigmoid, sigmoid, Math.tanh, sigmoid];
const slopes = squash.map((f) => (f === Math.tanh ? (y: number) => 1 - y * y : (y: number) => y * (1 - y)));
const each = <T>(length: number, make: (i: number) => T): T[] => Array.from({ length }, (_, i) => make(i));

function oneStep(
  parameters: ArrayLike<number>,
  { inputSize, size }: Sizes,
  x: number[],
  h: number[],
  c: number[],
): Trace {
  const at = layout(inputSize, size);
  const gates = each(4, (gate) =>
    each(size, (row) => {
      let z = parameters[at.bias(0, gate, row)]! + parameters[at.bias(1, gate, row)]!;
      x.forEach((value, column) => (z += parameters[at.input(gate, row, column)]! * value));
      h.forEach((value, column) => (z += parameters[at.state(gate, row, column)]! * value));
      return squash[gate]!(z);
    }),
  );
  const [i, f, candidate, o] = gates as [number[], number[], number[], number[]];
  const next = each(size, (row) => f[row]! * c[row]! + i[row]! * candidate[row]!);
  return { x, hBefore: h, cBefore: c, gates, c: next, h: each(size, (row) => o[row]! * Math.tanh(next[row]!)) };
}

/** The steps of each sequence. */
function runAll(inputs: CudnnInputs) {
  const [steps = 0, batch = 0, inputSize = 0] = inputs.x.shape;
  const sizes: Sizes = { steps, batch, inputSize, size: inputs.hidden.shape[2] ?? 0 };
  const [x, hidden, cell, parameters, lengths] = [
    inputs.x,
    inputs.hidden,
    inputs.cell,
    inputs.parameters,
    inputs.lengths,
  ].map((tensor) => tensor.dataSync());
  const row = (values: ArrayLike<number>, index: number, width: number) =>
    each(width, (i) => values[index * width + i]!);
  const traces = each(batch, (b) => {
    const length = lengths![b]!;
    if (length < 1 || length > steps) throw new RangeError(`cuDNN takes lengths from 1 to ${steps}, got ${length}`);
    let [h, c] = [row(hidden!, b, sizes.size), row(cell!, b, sizes.size)];
    return each(length, (t) => {
      const trace = oneStep(parameters!, sizes, row(x!, t * batch + b, inputSize), h, c);
      ({ h, c } = trace);
      return trace;
    });
  });
  return { sizes, parameters: parameters!, traces };
}

const fill = ({ steps, batch }: Sizes, width: number, valueOf: (t: number, b: number, i: number) => number) =>
  tf.tensor3d(
    each(steps * batch * width, (k) =>
      valueOf(Math.floor(k / (batch * width)), Math.floor(k / width) % batch, k % width),
    ),
    [steps, batch, width],
  );
const state = ({ batch, size }: Sizes, rows: readonly (readonly number[])[]) =>
  tf.tensor3d(rows.flat(), [1, batch, size]);

/** The gradient through all steps of one sequence; adds those of the parameters to `into`. */
function oneSequence(
  { inputSize, size }: Sizes,
  parameters: ArrayLike<number>,
  traces: readonly Trace[],
  dOutputAt: (t: number) => number[],
  last: { readonly h: number[]; readonly c: number[] },
  into: Float64Array,
) {
  const at = layout(inputSize, size);
  let { h: dh, c: dc } = last;
  const dx: number[][] = [];
  for (let t = traces.length - 1; t >= 0; t--) {
    const { x, hBefore, cBefore, gates, c } = traces[t]!;
    const [i, f, candidate, o] = gates as [number[], number[], number[], number[]];
    const dOutput = dOutputAt(t);
    const dhAll = dh.map((value, row) => value + dOutput[row]!);
    const dCell = dc.map((value, row) => value + dhAll[row]! * o[row]! * (1 - Math.tanh(c[row]!) ** 2));
    const byGate = [
      (row: number) => dCell[row]! * candidate[row]!,
      (row: number) => dCell[row]! * cBefore[row]!,
      (row: number) => dCell[row]! * i[row]!,
      (row: number) => dhAll[row]! * Math.tanh(c[row]!),
    ];
    dx[t] = each(inputSize, () => 0);
    dh = each(size, () => 0);
    byGate.forEach((slope, gate) =>
      each(size, (row) => {
        const dz = slope(row) * slopes[gate]!(gates[gate]![row]!);
        for (const which of [0, 1]) into[at.bias(which, gate, row)]! += dz;
        x.forEach((value, column) => {
          into[at.input(gate, row, column)]! += dz * value;
          dx[t]![column]! += dz * parameters[at.input(gate, row, column)]!;
        });
        hBefore.forEach((value, column) => {
          into[at.state(gate, row, column)]! += dz * value;
          dh[column]! += dz * parameters[at.state(gate, row, column)]!;
        });
      }),
    );
    dc = dCell.map((value, row) => value * f[row]!);
  }
  return { dx, dh, dc };
}

/** cuDNN's two operations in plain arrays; `calls` counts forward passes with and without a gradient, and gradients. */
export function plainCudnn() {
  const calls = { inference: 0, training: 0, backward: 0 };
  const operations: CudnnOperations = {
    forward(inputs, isTraining) {
      calls[isTraining ? 'training' : 'inference']++;
      const { sizes, traces } = runAll(inputs);
      return {
        outputs: fill(sizes, sizes.size, (t, b, i) => traces[b]![t]?.h[i] ?? NaN),
        lastHidden: state(
          sizes,
          traces.map((steps) => steps.at(-1)!.h),
        ),
        lastCell: state(
          sizes,
          traces.map((steps) => steps.at(-1)!.c),
        ),
        reserved: isTraining ? [tf.scalar(7)] : [],
      };
    },
    backward(inputs, { reserved }, gradients) {
      calls.backward++;
      if (reserved[0]?.dataSync()[0] !== 7) throw new RangeError('a gradient needs what training kept');
      const { sizes, parameters, traces } = runAll(inputs);
      const { batch, inputSize, size } = sizes;
      const into = new Float64Array(layout(inputSize, size).length);
      const [dy, dh, dc] = [gradients.outputs, gradients.lastHidden, gradients.lastCell].map((g) => g.dataSync());
      const row = (values: ArrayLike<number>, index: number) => each(size, (i) => values[index * size + i]!);
      const found = traces.map((steps, b) =>
        oneSequence(sizes, parameters, steps, (t) => row(dy!, t * batch + b), { h: row(dh!, b), c: row(dc!, b) }, into),
      );
      return {
        x: fill(sizes, inputSize, (t, b, i) => found[b]!.dx[t]?.[i] ?? NaN),
        hidden: state(
          sizes,
          found.map(({ dh: slope }) => slope),
        ),
        cell: state(
          sizes,
          found.map(({ dc: slope }) => slope),
        ),
        parameters: tf.tensor1d([...into]),
      };
    },
  };
  return { operations, calls };
}
