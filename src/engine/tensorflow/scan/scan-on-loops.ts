import * as tf from '@tensorflow/tfjs';
import type { ScanInputs, ScanResult, ScanStep } from '../../scan.ts';
import { onceDifferentiable, withGradient } from '../../once-differentiable.ts';
import type { Loops } from './loops.ts';

/** What both passes of a scan know. */
interface Plan {
  readonly loops: Loops;
  readonly step: ScanStep;
  readonly steps: number;
  readonly carries: number;
  readonly sequences: number;
  /** Shapes and types of a step's outputs. */
  readonly outputs: readonly tf.TensorInfo[];
}

/**
 * A scan as one loop, and its gradient as another, which runs each step again from the state that it began with: of the
 * forward pass only these states are kept. It has to run within a compiled step.
 */
export function scanOnLoops(
  loops: Loops,
  step: ScanStep,
  { carry, sequences, constants = [] }: ScanInputs,
): ScanResult {
  const steps = sequences[0]?.shape[0] ?? 0;
  const outputs = loops.specsOf(() => {
    const rows = sequences.map((sequence) => tf.zeros(sequence.shape.slice(1), sequence.dtype));
    return [...step(carry, rows, constants).outputs];
  });
  const plan: Plan = { loops, step, steps, carries: carry.length, sequences: sequences.length, outputs };
  const inputs = [...carry, ...sequences, ...constants];
  const results = withGradient(
    inputs,
    (save) => {
      const keepsStates = tf.engine().state.gradientDepth > 0;
      const { finals, states } = runForward(plan, inputs, keepsStates);
      save([...inputs, ...states]);
      return finals;
    },
    (dys, saved) =>
      onceDifferentiable('scan()', [...dys, ...saved], () =>
        runBackward(plan, saved.slice(0, inputs.length), saved.slice(inputs.length), dys),
      ),
  );
  return { carry: results.slice(0, carry.length), outputs: results.slice(carry.length) };
}

/** Splits a row of inputs into carry, sequences and constants. */
const split = ({ carries, sequences }: Plan, inputs: readonly tf.Tensor[]) => ({
  carry: inputs.slice(0, carries),
  sequences: inputs.slice(carries, carries + sequences),
  constants: inputs.slice(carries + sequences),
});

/** The last carry and all outputs; and the carries before each step, [T, …], if they are wanted. */
function runForward(
  plan: Plan,
  inputs: readonly tf.Tensor[],
  keepsStates: boolean,
): { finals: tf.Tensor[]; states: tf.Tensor[] } {
  const { loops, step, steps, outputs } = plan;
  const { lists } = loops;
  const { carry, sequences, constants } = split(plan, inputs);
  const rows = sequences.map((sequence) => lists.of(sequence));
  const listed = [...outputs, ...(keepsStates ? carry : [])];
  const initial = [...carry, ...listed.map(({ shape, dtype }) => lists.empty(steps, shape, dtype))];
  const loop = loops.run(initial, steps, (t, state) => {
    const before = state.slice(0, carry.length);
    const made = step(
      before,
      sequences.map(({ shape, dtype }, i) => lists.get(at(rows, i), t, shape.slice(1), dtype)),
      constants,
    );
    const items = [...made.outputs, ...(keepsStates ? before : [])];
    return [...made.carry, ...items.map((item, i) => lists.set(at(state, carry.length + i), t, item))];
  });
  const stacked = listed.map(({ shape, dtype }, i) => lists.stack(at(loop, carry.length + i), steps, shape, dtype));
  return {
    finals: [...loop.slice(0, carry.length), ...stacked.slice(0, outputs.length)],
    states: stacked.slice(outputs.length),
  };
}

/** The gradients of carry, sequences and constants; zeros for integers. */
function runBackward(
  plan: Plan,
  inputs: readonly tf.Tensor[],
  states: readonly tf.Tensor[],
  dys: readonly tf.Tensor[],
): tf.Tensor[] {
  const { loops, steps, carries } = plan;
  const { lists } = loops;
  const { carry, sequences, constants } = split(plan, inputs);
  const [stateLists, rowLists, dOutputLists] = [states, sequences, dys.slice(carries)].map((all) =>
    all.map((each) => lists.of(each)),
  );
  const last = tf.scalar(steps - 1, 'int32');
  const empty = ({ shape }: tf.Tensor) => lists.empty(steps, shape.slice(1));
  const dFinals = dys.slice(0, carries).map((dy) => (dy.dtype === 'float32' ? dy : zeros(dy)));
  const initial = [...dFinals, ...constants.map(zeros), ...sequences.map(empty)];
  const loop = loops.run(initial, steps, (count, state) => {
    const t = tf.sub(last, count);
    const row = (list: tf.Tensor | undefined, { shape, dtype }: tf.TensorInfo) =>
      lists.get(present(list), t, shape, dtype);
    const before = carry.map((each, i) => row(stateLists?.[i], each));
    const rows = sequences.map(({ shape, dtype, dataId }, i) =>
      row(rowLists?.[i], { dataId, dtype, shape: shape.slice(1) }),
    );
    const dOutputs = plan.outputs.map((output, i) => row(dOutputLists?.[i], output));
    const gradients = gradientsOfStep(
      plan,
      [...before, ...rows, ...constants],
      [...state.slice(0, carries), ...dOutputs],
    );
    const { carry: dCarry, sequences: dRows, constants: dConstants } = split(plan, gradients);
    const sums = dConstants.map((gradient, i) => gradient.add(at(state, carries + i)));
    const items = dRows.map((gradient, i) => lists.set(at(state, carries + constants.length + i), t, gradient));
    return [...dCarry, ...sums, ...items];
  });
  const dSequences = sequences.map(({ shape }, i) =>
    lists.stack(at(loop, carries + constants.length + i), steps, shape.slice(1)),
  );
  return [...loop.slice(0, carries), ...dSequences, ...loop.slice(carries, carries + constants.length)];
}

/** The gradients of one step's inputs by those of its results. */
function gradientsOfStep(plan: Plan, inputs: readonly tf.Tensor[], dys: readonly tf.Tensor[]): tf.Tensor[] {
  const isReal = inputs.map(({ dtype }) => dtype === 'float32');
  const real = inputs.filter((_, i) => isReal[i]);
  const weighed = (...tensors: tf.Tensor[]) => {
    const next = tensors.values();
    const { carry, sequences, constants } = split(
      plan,
      inputs.map((input, i) => (isReal[i] ? (next.next().value ?? input) : input)),
    );
    const made = plan.step(carry, sequences, constants);
    const results = [...made.carry, ...made.outputs];
    const terms = results.flatMap((result, i) => (result.dtype === 'float32' ? [result.mul(at(dys, i)).sum()] : []));
    // Each input takes part, so that one which the step leaves alone has a gradient of zero.
    return tf.addN([...terms, ...tensors.map((tensor) => tensor.mul(0).sum())]);
  };
  const gradients = withinGradient(() => tf.grads(weighed)([...real])).values();
  return inputs.map((input, i) => (isReal[i] ? (gradients.next().value ?? input) : tf.zeros(input.shape, 'float32')));
}

/**
 * Runs a gradient within a gradient. TensorFlow.js would throw the outer tape away, if it took it for the outermost, and
 * would record nothing, if it took it for a part of a kernel.
 */
function withinGradient<T>(action: () => T): T {
  const { state } = tf.engine();
  const { kernelDepth } = state;
  state.gradientDepth++;
  state.kernelDepth = 0;
  try {
    return action();
  } finally {
    state.gradientDepth--;
    state.kernelDepth = kernelDepth;
  }
}

const zeros = ({ shape }: tf.Tensor) => tf.zeros(shape, 'float32');

const present = <T>(value: T | undefined): T => {
  if (value === undefined) throw new RangeError('a scan lost one of its tensors.');
  return value;
};
const at = <T>(values: readonly T[], index: number): T => present(values[index]);
