import * as tf from '@tensorflow/tfjs';
import { CompileError } from '../../../errors.ts';
import type { Step, Tensors } from '../../engine.ts';
import type { TensorflowBackend } from '../backend.ts';
import { atUserPlace } from '../../place.ts';
import { giveData, separateVariables } from './own-data.ts';
import type { GraphFunction } from './graph-function.ts';
import { interceptDraws, type Intercepted } from './random-draws.ts';
import { StepTrace, type InputSource } from './step-trace.ts';
import { flatten, rebuild } from '../../structure.ts';

/** A step as one function, and how its inputs and outputs belong to arguments, variables and results. */
export interface TracedStep<Result extends Tensors> {
  readonly fn: GraphFunction;
  readonly sources: readonly InputSource[];
  /** Variables that take an output each. */
  readonly updates: readonly { readonly variable: tf.Variable; readonly output: number }[];
  /** The output of each tensor of the result. */
  readonly results: readonly { readonly output: number; readonly dtype: tf.DataType }[];
  /** A result of disposed tensors, for its structure. */
  readonly template: Result;
  /** Data of captured tensors that were made constants. */
  readonly frozen: readonly object[];
}

/**
 * Runs `step` on symbolic tensors and makes a function of the operations that it called. Nothing is computed but the
 * first values of variables that the step creates, and no variable changes.
 *
 * @throws {CompileError} when the step reads on the host, captures a tensor, or has shapes that depend on values
 */
export function traceStep<Args extends readonly Tensors[], Result extends Tensors>(
  backend: TensorflowBackend,
  step: Step<Args, Result>,
  args: Args,
  seed: () => number,
): TracedStep<Result> {
  const leaves = flatten(args, 'compile()');
  separateVariables(backend);
  const ids = leaves.map((leaf) => backend.tensors.idOf(leaf));
  const trace = new StepTrace(backend);
  const outside: Outside = { backend, trace, ids, seed };
  try {
    return interceptDraws((intercepted) => {
      const stop = startTracing(outside, intercepted);
      try {
        return within(() => record(trace, step, args, leaves, ids));
      } finally {
        stop();
      }
    });
  } finally {
    trace.dispose();
  }
}

/** The trace, and what it stands on. */
interface Outside {
  readonly backend: TensorflowBackend;
  readonly trace: StepTrace;
  /** The numbers of the arguments' tensors. */
  readonly ids: readonly number[];
  /** Makes the tensor of a seed. */
  readonly seed: () => number;
}

/** `tf.tidy` for results that are not tensors. */
function within<T>(action: () => T): T {
  tf.engine().startScope('compile');
  try {
    return action();
  } finally {
    tf.engine().endScope();
  }
}

function record<Args extends readonly Tensors[], Result extends Tensors>(
  trace: StepTrace,
  step: Step<Args, Result>,
  args: Args,
  leaves: readonly tf.Tensor[],
  ids: readonly number[],
): TracedStep<Result> {
  const symbolic = rebuild(
    args,
    leaves.map((leaf, i) => trace.argument(leaf, i, ids[i] ?? 0)),
  );
  const template = step(...symbolic);
  const results = flatten(template, 'compile(): the step gives back');
  if (trace.refused) throw trace.refused;
  const outputs: number[] = [];
  const outputOf = (tensor: tf.Tensor) => {
    const id = trace.backendId(tensor);
    const known = outputs.indexOf(id);
    return known >= 0 ? known : outputs.push(id) - 1;
  };
  const traced = {
    results: results.map((tensor) => ({ output: outputOf(tensor), dtype: tensor.dtype })),
    updates: [...trace.assigned].map(([variable, value]) => ({ variable, output: outputOf(value) })),
    template,
    sources: trace.sources,
    frozen: trace.frozen,
  };
  const fn = trace.build('step', outputs);
  tf.dispose(results.filter((tensor) => !(tensor instanceof tf.Variable))); // some were kept
  const lost = trace.sources.find((source) => source.kind === 'variable' && source.variable.isDisposed);
  if (lost?.kind !== 'variable') return { fn, ...traced };
  fn.dispose();
  throw new CompileError(
    `compile(): the step disposes the variable \`${lost.variable.name}\`, which it needs at every call. Create and dispose variables outside of the step.`,
  );
}

/** The number of the tensor that an input stands for, outside of the trace. */
function inputId({ backend, trace, ids, seed }: Outside, source: InputSource): number {
  if (source.kind === 'argument') return ids[source.index] ?? 0;
  if (source.kind === 'seed') return seed();
  const entry = backend.tensors.entryHere(trace.originalData(source.variable));
  if (!entry)
    throw new CompileError(
      `compile(): the variable \`${source.variable.name}\` was disposed. Keep it while the step is used.`,
    );
  return backend.tensors.uploadedId(entry);
}

/** Sends the kernels' calls to the trace, and with them assignments to variables, new variables and random numbers. */
function startTracing(outside: Outside, intercepted: Intercepted): () => void {
  const { backend, trace } = outside;
  const assign = Object.getOwnPropertyDescriptor(tf.Variable.prototype, 'assign') ?? {};
  const engine = tf.engine();
  const makeVariable = engine.makeVariable.bind(engine);
  tf.Variable.prototype.assign = function (this: tf.Variable, value: tf.Tensor) {
    assertAssignable(this, value);
    trace.assign(this, value);
  };
  engine.makeVariable = (initial: tf.Tensor, ...rest) => {
    const variable = makeVariable(initial, ...rest);
    startVariable(outside, variable);
    return variable;
  };
  backend.tensors.tracer = trace;
  backend.tensors.intercept = trace.takeDraws(intercepted);
  return () => {
    backend.tensors.tracer = undefined;
    backend.tensors.intercept = undefined;
    Object.defineProperty(tf.Variable.prototype, 'assign', assign);
    Reflect.deleteProperty(engine, 'makeVariable');
    trace.restoreVariables();
  };
}

function assertAssignable(variable: tf.Variable, { dtype, shape }: tf.Tensor): void {
  if (dtype === variable.dtype && tf.util.arraysEqual(shape, variable.shape)) return;
  throw new CompileError(
    `compile(): the variable \`${variable.name}\` expects ${variable.dtype} [${variable.shape.join(',')}], got ${dtype} [${shape.join(',')}]${atUserPlace()}. Assign a tensor of the same shape and type.`,
  );
}

/**
 * A variable that the step creates (an optimiser's slot, at its first step) lives on outside: its first value is computed
 * now, once, and from then on it is a variable like others.
 */
function startVariable(outside: Outside, variable: tf.Variable): void {
  const { backend, trace } = outside;
  const initial = trace.build('initial', [trace.backendId(variable)], false);
  const inputs: number[] = [];
  try {
    for (const source of trace.sources) inputs.push(inputId(outside, source));
    const [value] = initial.call(inputs);
    if (!value) throw new RangeError('startVariable(): the function of one value gave none.');
    giveData(backend, variable, value);
  } finally {
    initial.dispose();
    trace.sources.forEach(({ kind }, i) => kind === 'seed' && inputs[i] && backend.engineBinding.release(inputs[i]));
  }
  trace.watch(variable);
}
