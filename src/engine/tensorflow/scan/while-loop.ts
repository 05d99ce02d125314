import * as tf from '@tensorflow/tfjs';
import { CompileError } from '../../../errors.ts';
import type { TensorflowBackend } from '../backend.ts';
import { dataTypes, nameOfType } from '../binding/data-types.ts';
import { Frame } from '../compile/frame.ts';
import type { Symbolic } from '../compile/symbols.ts';
import { enclosingFrame, tracing } from '../compile/tracing.ts';
import type { GraphFunction, ValueSpec } from '../compile/graph-function.ts';

/** What a loop does at step `t`, an int32 scalar: from the state before it to the state after it, of the same shapes. */
export type LoopBody = (t: tf.Scalar, state: tf.Tensor[]) => tf.Tensor[];

/**
 * Runs `body` for t = 0 … steps - 1 as one `While` of the step that is being compiled: the body is traced once, so the
 * graph does not grow with the number of steps. Tensors that the body uses from outside stay the same throughout.
 *
 * @returns the last state, owned by the caller
 * @throws {CompileError} outside of a compiled step, or when the body changes a shape or type
 */
export function whileLoop(
  backend: TensorflowBackend,
  initial: readonly tf.Tensor[],
  steps: number,
  body: LoopBody,
): tf.Tensor[] {
  const outer = enclosingFrame(backend, 'whileLoop');
  const start = tf.scalar(0, 'int32');
  const initialIds = [start, ...initial].map((tensor) => backend.tensors.idOf(tensor));
  const { functions, captured } = traceLoop(backend, outer, initialIds, initial, steps, body);
  const ids = [...initialIds, ...captured];
  for (const part of functions) outer.use(part);
  const [condition, step] = functions;
  const attributes = [
    { name: 'T', value: ids.map((id) => outer.specOf(id).dtype) },
    { name: 'cond', value: condition.name },
    { name: 'body', value: step.name },
    { name: 'output_shapes', value: [] },
    { name: 'parallel_iterations', value: 1 },
    { name: '_lower_using_switch_merge', value: true },
  ];
  const outputs = outer.executeLoop('StatelessWhile', attributes, ids);
  return outputs.slice(1, 1 + initial.length).map((output) => backend.tensors.tensorOf(output));
}

interface TracedLoop {
  readonly functions: readonly [condition: GraphFunction, body: GraphFunction];
  /** Numbers from outside that the body uses. */
  readonly captured: readonly number[];
}

function traceLoop(
  backend: TensorflowBackend,
  outer: Frame,
  initialIds: readonly number[],
  initial: readonly tf.Tensor[],
  steps: number,
  body: LoopBody,
): TracedLoop {
  const frame = new Frame(backend, outer);
  try {
    const inputs = initialIds.map((id) => frame.input(outer.specOf(id)));
    const next = traceBody(backend, frame, inputs, body);
    checkState(frame, inputs, next, initial);
    const captured = [...frame.captured.keys()];
    const kept = [...frame.captured.values()].map(({ id }) => id);
    const step = frame.buildBody('body', [...next, ...kept]);
    return { functions: [buildCondition(backend, outer, frame, steps), step], captured };
  } finally {
    frame.dispose();
  }
}

/** Runs the body on symbols; gives the numbers of the next state, the step's count first. */
function traceBody(backend: TensorflowBackend, frame: Frame, inputs: readonly Symbolic[], body: LoopBody): number[] {
  const { tensors } = backend;
  return tracing(backend, frame, () => {
    const [t, ...state] = inputs.map(({ id, shape, dtype }) => tensors.tensorOf({ id, shape, dtype }));
    if (!t) throw new RangeError('traceBody(): a loop has a count.');
    const next = body(t.asScalar(), state);
    const count = tf.add(t, tf.scalar(1, 'int32'));
    return [count, ...next].map((tensor) => tensors.idOf(tensor));
  });
}

function checkState(
  frame: Frame,
  inputs: readonly Symbolic[],
  next: readonly number[],
  initial: readonly tf.Tensor[],
): void {
  if (next.length !== inputs.length) {
    throw new CompileError(`whileLoop(): the body has to give ${initial.length} tensors back, got ${next.length - 1}.`);
  }
  next.forEach((id, i) => {
    const { shape, dtype } = frame.specOf(id);
    const before = inputs[i];
    if (before && before.dtype === dtype && tf.util.arraysEqual([...shape], before.shape)) return;
    throw new CompileError(
      `whileLoop(): state ${i - 1} is ${before ? described(before) : 'not there'} before a step and ${described({ shape, dtype })} after it. Keep shapes and types.`,
    );
  });
}

const described = ({ shape, dtype }: ValueSpec) => `[${shape.join(',')}] ${nameOfType(dtype)}`;

/** `t < steps`, of the same inputs as the body. */
function buildCondition(backend: TensorflowBackend, outer: Frame, body: Frame, steps: number): GraphFunction {
  const frame = new Frame(backend, outer);
  try {
    const [t] = body.inputs.map((input) => frame.input(input));
    const end = frame.constant([], dataTypes.int32, [steps]);
    const [less] = frame.executeOp('Less', [], [t?.id ?? 0, end.id], 1);
    return frame.build('condition', [less?.id ?? 0]);
  } finally {
    frame.dispose();
  }
}
