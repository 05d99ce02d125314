import * as tf from '@tensorflow/tfjs';
import { CompileError } from '../../../errors.ts';
import { parseOptions } from '../../../options.ts';
import { CompileOptions } from '../../compile-options.ts';
import { isDebugging, whileRecording } from '../../debug.ts';
import type { Step, Tensors } from '../../engine.ts';
import type { TensorflowBackend } from '../backend.ts';
import { returnFreeMemory } from '../binding/library.ts';
import type { TensorMetadata } from '../binding/ops.ts';
import { FunctionCache } from './function-cache.ts';
import type { SeedStream } from './seeds.ts';
import { flatten, rebuild, signatureOf } from '../../structure.ts';
import { withinTidy } from '../../within-tidy.ts';
import { traceStep, type TracedStep } from './trace-step.ts';

/** A step that runs as one TensorFlow function. */
export type CompiledStep<Args extends readonly Tensors[], Result extends Tensors> = Step<Args, Result> & {
  /** Functions made so far and kept. */
  readonly signatures: number;
  /** Operations of the function that was called last. */
  readonly operations: number;
  /** Gives the functions up; a later call traces again. */
  dispose(): void;
};

/** What is done when a step that failed has been tried once more. */
export interface Retry {
  readonly succeeded?: () => void;
  readonly failed?: () => void;
}

/** What compiled steps need of their engine. */
export interface CompileServices {
  readonly seedStream: (seed: number | undefined) => SeedStream;
  /** How to end a second try, traced anew, of a step that failed so; nothing where it would fail again. */
  readonly recover: (error: unknown) => Retry | undefined;
  /** Compiles under `debug` and in gradients, too: for steps that are made of loops and run within a function alone. */
  readonly alwaysCompiled?: boolean;
}

/** Compiles steps for one backend: see `TensorflowEngine.compile`. */
export function compileStep<Args extends readonly Tensors[], Result extends Tensors>(
  backend: TensorflowBackend,
  { seedStream, recover, alwaysCompiled = false }: CompileServices,
  step: Step<Args, Result>,
  input: CompileOptions = {},
): CompiledStep<Args, Result> {
  const options = parseOptions('compile()', CompileOptions, input);
  const seeds = seedStream(options.seed);
  const cache = new FunctionCache<TracedStep<Result>>(options.signatures, step.name || 'step', ({ fn }) =>
    fn.dispose(),
  );
  const attributes = options.xla ? [{ name: '_XlaMustCompile', value: true }] : [];
  const isCurrent = ({ frozen }: TracedStep<Result>) =>
    frozen.every((dataId) => backend.tensors.entryOf(dataId) !== undefined);
  const trace = (args: Args) => whileRecording(() => traceStep(backend, step, args, () => seeds.upload(backend)));
  let operations = 0;
  const compiled = (...args: Args): Result => {
    // Within another step it is part of that one; under `debug` each operation is checked by itself, and a gradient has
    // to see each: it would take a compiled function for a constant.
    const opByOp = !alwaysCompiled && (isDebugging() || tf.env().getBool('DEBUG') || isTaped());
    if (backend.tensors.tracer || opByOp) return withinTidy(step, args);
    const signature = signatureOf(args);
    const run = () => {
      const known = cache.get(signature, isCurrent);
      const traced = known ?? cache.add(signature, trace(args));
      operations = traced.fn.size;
      // At the first call it is seen whether TensorFlow can run it at all: `recover` is asked then. A GPU computes by itself.
      const later = options.later && known !== undefined && !backend.engineBinding.isUsingGpuDevice();
      const result = callTraced(backend, traced, flatten(args, 'compile()'), { seeds, attributes, later });
      if (!known) returnFreeMemory(); // the first call has compiled it
      return result;
    };
    try {
      return run();
    } catch (error) {
      const retry = backend.engineBinding.context.queue.hasTold(error) ? undefined : recover(error);
      if (!retry) throw error;
      return tryAgain(retry, cache, run);
    }
  };
  const members = {
    get signatures() {
      return cache.size;
    },
    get operations() {
      return operations;
    },
    dispose: () => cache.clear(),
  };
  const descriptors = Object.getOwnPropertyDescriptors(members);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the members are defined in the same breath
  return Object.defineProperties(compiled, descriptors) as CompiledStep<Args, Result>;
}

/** Runs a step anew, with nothing of what was compiled before. */
function tryAgain<Result>(retry: Retry, cache: { clear(): void }, run: () => Result): Result {
  cache.clear();
  try {
    const result = run();
    retry.succeeded?.();
    return result;
  } catch (error) {
    retry.failed?.();
    cache.clear();
    throw error;
  }
}

/** Whether a gradient is being taken of what is computed now. Within a kernel TensorFlow.js looks at the kernel alone. */
function isTaped(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}

interface CallOptions {
  readonly seeds: SeedStream;
  readonly attributes: readonly { name: string; value: boolean }[];
  /** Whether the host goes on while it runs. */
  readonly later: boolean;
}

function callTraced<Result extends Tensors>(
  backend: TensorflowBackend,
  traced: TracedStep<Result>,
  leaves: readonly tf.Tensor[],
  { seeds, attributes, later }: CallOptions,
): Result {
  const binding = backend.engineBinding;
  let seed: number | undefined;
  try {
    const inputs = traced.sources.map((source) => {
      if (source.kind === 'argument') return idOf(backend, leaves[source.index]);
      if (source.kind === 'variable') return variableId(backend, source.variable);
      return (seed = seeds.upload(backend));
    });
    const call = () => traced.fn.call(inputs, attributes);
    if (!later || !traced.updates.every((update) => isTakenOver(backend, traced, update))) {
      binding.context.queue.settle(); // a failure of what is under way is its own, not that of this step
      return distribute(backend, traced, call(), (old) => binding.release(old));
    }
    return callLater(backend, traced, call);
  } finally {
    if (seed !== undefined) binding.release(seed);
  }
}

function idOf(backend: TensorflowBackend, tensor: tf.Tensor | undefined): number {
  if (!tensor) throw new CompileError('compile(): a compiled step got fewer tensors than it was traced with.');
  return backend.tensors.idOf(tensor);
}

function variableId(backend: TensorflowBackend, variable: tf.Variable): number {
  const entry = backend.tensors.entryHere(variable.dataId);
  if (entry && !variable.isDisposed) return backend.tensors.uploadedId(entry);
  throw new CompileError(
    `compile(): the variable \`${variable.name}\`, which the step uses, was disposed. Compile the step anew with the variables that it is to use.`,
    { variable: variable.name },
  );
}

/** Calls a step without waiting for it. What its variables held is kept until it is known to have run. */
function callLater<Result extends Tensors>(
  backend: TensorflowBackend,
  traced: TracedStep<Result>,
  call: () => TensorMetadata[],
): Result {
  const { engineBinding: binding } = backend;
  const held: { readonly dataId: object; readonly old: number; readonly now: number }[] = [];
  let result: Result | undefined;
  binding.context.queue.run(call, (outputs) => {
    result = distribute(backend, traced, outputs, (old, now, dataId) => held.push({ old, now, dataId }));
    return {
      keep: () => {
        for (const { old } of held) binding.release(old);
      },
      undo: () => {
        for (const { dataId, old, now } of held) {
          const entry = backend.tensors.entryOf(dataId);
          if (entry?.id === now) entry.id = old;
          binding.release(entry?.id === old ? now : old); // disposed or assigned since
        }
      },
    };
  });
  return result!; // made in the same breath
}

/** Told which handle a variable has no more, and which it has instead. */
type Replaced = (old: number, now: number, dataId: object) => void;

/** Whether a variable can be given an output's handle, and its old one again: nobody shares its data, which TensorFlow holds, and the output is wanted once. */
function isTakenOver<Result extends Tensors>(
  { tensors }: TensorflowBackend,
  { updates, results }: TracedStep<Result>,
  { variable, output }: TracedStep<Result>['updates'][number],
): boolean {
  const entry = tensors.entryOf(variable.dataId);
  return (
    entry?.refCount === 1 &&
    entry.id > 0 &&
    entry.values === null &&
    !results.some((result) => result.output === output) &&
    !updates.some((other) => other.variable !== variable && other.output === output)
  );
}

/** Hands outputs to variables and to the result. An output wanted twice is shared, as `tf.clone` shares. */
function distribute<Result extends Tensors>(
  backend: TensorflowBackend,
  traced: TracedStep<Result>,
  outputs: readonly TensorMetadata[],
  replaced: Replaced,
): Result {
  const made = new Map<number, tf.Tensor>();
  const tensorAt = (output: number): tf.Tensor => {
    const shared = made.get(output);
    if (shared) return shared.clone();
    const metadata = outputs[output];
    if (!metadata)
      throw new RangeError(`callTraced(): the function gave ${outputs.length} outputs, number ${output} is asked for.`);
    const tensor = backend.tensors.tensorOf(metadata);
    made.set(output, tensor);
    return tensor;
  };
  const results = traced.results.map(({ output }) => tensorAt(output));
  for (const { variable, output } of traced.updates) {
    const metadata = outputs[output];
    if (
      metadata &&
      !made.has(output) &&
      !traced.updates.some((other) => other.variable !== variable && other.output === output)
    ) {
      takeOver(backend, variable, metadata, replaced);
    } else {
      const value = tensorAt(output);
      variable.assign(value);
      value.dispose();
    }
  }
  return rebuild(traced.template, results);
}

/** Gives a variable a new handle. Tensors that share the old data keep it. */
function takeOver(
  backend: TensorflowBackend,
  variable: tf.Variable,
  metadata: TensorMetadata,
  replaced: Replaced,
): void {
  const entry = backend.tensors.entryOf(variable.dataId);
  if (entry && entry.refCount === 1) {
    const old = entry.id;
    entry.id = metadata.id;
    entry.values = null;
    entry.fromHost = false;
    if (old > 0) replaced(old, metadata.id, variable.dataId);
    return;
  }
  const value = backend.tensors.tensorOf(metadata);
  variable.assign(value);
  value.dispose();
}
