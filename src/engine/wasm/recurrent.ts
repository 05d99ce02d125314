import * as tf from '@tensorflow/tfjs';
import { gru } from '../layers/gru-sequence.ts';
import { lstm } from '../layers/lstm-sequence.ts';
import { differentiable, type Recurrence, type RecurrenceInputs } from '../layers/recurrent-sequence.ts';
import { heapOf, type WasmHeap } from './heap.ts';
import { multiply } from './mat-mul.ts';
import { type Kernel, type KernelCall, replaceKernels } from '../replace-kernels.ts';

/** Sizes of a sequence: batch, steps, input, hidden, and gates side by side times hidden. */
interface Sizes {
  readonly batch: number;
  readonly steps: number;
  readonly inputSize: number;
  readonly size: number;
  readonly width: number;
}

/** The tensors of a call, which always come complete but for the mask. */
interface Operands {
  readonly x: tf.TensorInfo;
  readonly kernel: tf.TensorInfo;
  readonly recurrentKernel: tf.TensorInfo;
  readonly [name: string]: tf.TensorInfo | undefined;
}

const sizesOf = ({ x, recurrentKernel }: Operands): Sizes => {
  const [batch = 0, steps = 0, inputSize = 0] = x.shape;
  const [size = 0, width = 0] = recurrentKernel.shape;
  return { batch, steps, inputSize, size, width };
};

/** x Wx + b for all steps, [B, T, width]: the recurrence goes on in place. */
function project(heap: WasmHeap, { x, kernel, bias }: Operands, s: Sizes): tf.TensorInfo {
  const gates = heap.output([s.batch, s.steps, s.width]);
  heap.kernels.fillRows(heap.at(gates), s.batch * s.steps, s.width, heap.at(bias!));
  const matrices = {
    left: { at: heap.at(x), stride: s.inputSize },
    right: { at: heap.at(kernel), stride: s.width },
    out: { at: heap.at(gates), stride: s.width },
  };
  multiply(heap, matrices, [s.batch * s.steps, s.width, s.inputSize], true);
  return gates;
}

/** The gradients of x, kernel and bias, by those of the pre-activations dz [B, T, width]. */
function projectBack(heap: WasmHeap, { x, kernel }: Operands, dz: number, s: Sizes): tf.TensorInfo[] {
  const dx = heap.output(x.shape);
  const dKernel = heap.output(kernel.shape);
  const dBias = heap.output([s.width]);
  const rows = s.batch * s.steps;
  const gradient = { at: dz, stride: s.width };
  const backToInput = {
    left: gradient,
    right: { at: heap.at(kernel), stride: s.width, transposed: true },
    out: { at: heap.at(dx), stride: s.inputSize },
  };
  multiply(heap, backToInput, [rows, s.inputSize, s.width]);
  const backToKernel = {
    left: { at: heap.at(x), stride: s.inputSize, transposed: true },
    right: gradient,
    out: { at: heap.at(dKernel), stride: s.width },
  };
  multiply(heap, backToKernel, [s.inputSize, s.width, rows]);
  heap.kernels.columnSums(dz, rows, s.width, 1, heap.at(dBias));
  return [dx, dKernel, dBias];
}

/** Columns `from` to `from + count` of dWh: the transposed states [B * T, H] times the same columns of dz. */
function recurrentGradient(
  heap: WasmHeap,
  ...[states, dz, out, s, from, count]: readonly [number, number, tf.TensorInfo, Sizes, number, number]
): void {
  const matrices = {
    left: { at: states, stride: s.size, transposed: true },
    right: { at: dz + 4 * from, stride: s.width },
    out: { at: heap.at(out) + 4 * from, stride: s.width },
  };
  multiply(heap, matrices, [s.size, count, s.batch * s.steps]);
}

/** Starts a gradient that flows back through time: the last state's, or zeros. */
function startGradient(heap: WasmHeap, shape: readonly number[], from?: tf.TensorInfo): tf.TensorInfo {
  const out = heap.output(shape);
  if (from) heap.kernels.fillRows(heap.at(out), 1, tf.util.sizeFromShape([...shape]), heap.at(from));
  else heap.clear(out);
  return out;
}

/** What a call holds once its operands are known to be there. */
function operandsOf({ inputs, attrs, backend }: KernelCall) {
  // `runKernel` below always passes these; the registry's type cannot say so.
  const operands = inputs as unknown as Operands;
  const heap = heapOf(backend);
  const { mask } = operands;
  const s = sizesOf(operands);
  const packedBytes = 4 * s.size * (Math.max(s.width, s.size) + 8 + s.width);
  const productBytes = heap.kernels.gemmScratchBytes(Math.max(s.width, s.size), Math.max(s.width, s.size));
  const at = (name: string) => heap.at(operands[name]!);
  const shape = [s.batch, s.steps, s.size, Number(attrs['hard'])] as const;
  return { operands, heap, s, at, mask: mask ? heap.at(mask) : 0, packedBytes, productBytes, shape };
}

const lstmForward: Kernel = {
  kernelName: 'TaustreamLstm',
  kernelFunc: (call) => {
    const { operands, heap, s, at, mask, packedBytes, productBytes, shape } = operandsOf(call);
    const gates = project(heap, operands, s);
    const outputs = heap.output([s.batch, s.steps, s.size]);
    const cells = heap.output([s.batch, s.steps, s.size]);
    const results = [heap.at(gates), heap.at(outputs), heap.at(cells)] as const;
    heap.withScratch([packedBytes, productBytes], (packed = 0, scratch = 0) =>
      heap.kernels.lstmForward(
        ...results,
        ...([at('h0'), at('c0'), at('recurrentKernel'), mask] as const),
        ...([...shape, packed, scratch] as const),
      ),
    );
    return [outputs, cells, gates];
  },
};

const lstmBackward: Kernel = {
  kernelName: 'TaustreamLstmGrad',
  kernelFunc: (call) => {
    const { operands, heap, s, at, mask, packedBytes, productBytes, shape } = operandsOf(call);
    const dh = startGradient(heap, [s.batch, s.size]);
    const dc = startGradient(heap, [s.batch, s.size], operands['dLastCell']);
    const dRecurrent = heap.output(operands.recurrentKernel.shape);
    const rows = s.batch * s.steps;
    const [dx, dKernel, dBias] = heap.withScratch(
      [packedBytes, productBytes, 4 * rows * s.width, 4 * rows * s.size],
      (packed = 0, scratch = 0, dz = 0, before = 0) => {
        heap.kernels.lstmBackward(
          ...([at('gates'), at('cells'), at('c0'), at('recurrentKernel'), mask, at('dOutputs')] as const),
          ...([dz, heap.at(dh), heap.at(dc), ...shape, packed, scratch] as const),
        );
        heap.kernels.previousStates(at('outputs'), at('h0'), s.batch, s.steps, s.size, before);
        recurrentGradient(heap, before, dz, dRecurrent, s, 0, s.width);
        return projectBack(heap, operands, dz, s);
      },
    );
    return [dx!, dKernel!, dRecurrent, dBias!, dh, dc];
  },
};

const gruForward: Kernel = {
  kernelName: 'TaustreamGru',
  kernelFunc: (call) => {
    const { operands, heap, s, at, mask, packedBytes, productBytes, shape } = operandsOf(call);
    const gates = project(heap, operands, s);
    const outputs = heap.output([s.batch, s.steps, s.size]);
    const reset = heap.output([s.batch, s.steps, s.size]);
    heap.withScratch([packedBytes, packedBytes, productBytes], (packed = 0, packedCandidate = 0, scratch = 0) =>
      heap.kernels.gruForward(
        ...([heap.at(gates), heap.at(outputs), heap.at(reset), at('h0'), at('recurrentKernel'), mask] as const),
        ...([...shape, packed, packedCandidate, scratch] as const),
      ),
    );
    return [outputs, reset, gates];
  },
};

const gruBackward: Kernel = {
  kernelName: 'TaustreamGruGrad',
  kernelFunc: (call) => {
    const { operands, heap, s, at, mask, packedBytes, productBytes, shape } = operandsOf(call);
    const dh = startGradient(heap, [s.batch, s.size]);
    const dRecurrent = heap.output(operands.recurrentKernel.shape);
    const rows = s.batch * s.steps;
    const [dx, dKernel, dBias] = heap.withScratch(
      [packedBytes, packedBytes, productBytes, 4 * rows * s.width, 4 * rows * s.size, 4 * s.batch * s.size],
      (packed = 0, packedCandidate = 0, scratch = 0, dz = 0, before = 0, dReset = 0) => {
        heap.kernels.gruBackward(
          ...([at('gates'), at('outputs'), at('h0'), at('recurrentKernel'), mask, at('dOutputs')] as const),
          ...([dz, heap.at(dh), dReset, ...shape, packed, packedCandidate, scratch] as const),
        );
        heap.kernels.previousStates(at('outputs'), at('h0'), s.batch, s.steps, s.size, before);
        recurrentGradient(heap, before, dz, dRecurrent, s, 0, 2 * s.size);
        recurrentGradient(heap, at('reset'), dz, dRecurrent, s, 2 * s.size, s.size);
        return projectBack(heap, operands, dz, s);
      },
    );
    return [dx!, dKernel!, dRecurrent, dBias!, dh];
  },
};

/** The tensors by the names that the kernels know. */
const named = ({ x, kernel, recurrentKernel, bias, states, mask }: RecurrenceInputs): tf.NamedTensorMap => ({
  x,
  kernel,
  recurrentKernel,
  bias,
  h0: states[0]!,
  ...(states[1] && { c0: states[1] }),
  ...(mask && { mask }),
});
const attributes = ({ recurrentActivation }: RecurrenceInputs) => ({ hard: recurrentActivation === 'hardSigmoid' });

const lstmOnWasm: Recurrence = {
  forward(inputs) {
    const [outputs, cells, gates] = tf
      .engine()
      .runKernel<tf.Tensor[]>('TaustreamLstm', named(inputs), attributes(inputs));
    const [batch, steps, size] = outputs!.shape as [number, number, number];
    const lastCell = cells!.slice([0, steps - 1, 0], [batch, 1, size]).reshape<tf.Tensor2D>([batch, size]);
    return { outputs: outputs as tf.Tensor3D, lastCell, saved: [outputs!, cells!, gates!] };
  },
  backward(inputs, [outputs, cells, gates], dOutputs, dLastCell) {
    const tensors = { ...named(inputs), outputs: outputs!, cells: cells!, gates: gates!, dOutputs };
    const all = dLastCell ? { ...tensors, dLastCell } : tensors;
    return tf.engine().runKernel<tf.Tensor[]>('TaustreamLstmGrad', all, attributes(inputs));
  },
};

const gruOnWasm: Recurrence = {
  forward(inputs) {
    const [outputs, reset, gates] = tf
      .engine()
      .runKernel<tf.Tensor[]>('TaustreamGru', named(inputs), attributes(inputs));
    return { outputs: outputs as tf.Tensor3D, saved: [outputs!, reset!, gates!] };
  },
  backward(inputs, [outputs, reset, gates], dOutputs) {
    const tensors = { ...named(inputs), outputs: outputs!, reset: reset!, gates: gates!, dOutputs };
    return tf.engine().runKernel<tf.Tensor[]>('TaustreamGruGrad', tensors, attributes(inputs));
  },
};

/** Puts the whole recurrence of fused LSTM and GRU layers into one call each way on the `wasm` backend. */
export function registerWasmLayers(): void {
  replaceKernels('wasm', [lstmForward, lstmBackward, gruForward, gruBackward]);
  lstm.replace('wasm', differentiable(lstmOnWasm, 2));
  gru.replace('wasm', differentiable(gruOnWasm, 1));
}
