/* oxlint-disable typescript/no-unsafe-type-assertion -- compiled functions take and give lists; the two ends stand in this file */
import type * as tf from '@tensorflow/tfjs';
import { checkResults, isDebugging } from '../../debug.ts';
import type { Step, Tensors } from '../../engine.ts';
import { gru } from '../../layers/gru-sequence.ts';
import { lstm } from '../../layers/lstm-sequence.ts';
import {
  differentiable,
  type GateActivation,
  type Recurrence,
  type RecurrenceInputs,
} from '../../layers/recurrent-sequence.ts';
import type { TensorflowBackend } from '../backend.ts';
import { cudnnOrLoops } from '../cudnn/cudnn-or-loops.ts';
import type { CudnnSwitch } from '../cudnn/cudnn-switch.ts';
import { cudnnOperations } from '../cudnn/operations.ts';
import { replaceScan, scanStepByStep } from '../../scan.ts';
import { scanOnLoops } from './scan-on-loops.ts';
import { gruOnLoops } from './gru.ts';
import { inParts } from './in-parts.ts';
import { loopsOf } from './loops.ts';
import { lstmOnLoops } from './lstm.ts';
import type { XlaSwitch } from './xla-switch.ts';

/** Compiles a step of tensors. */
type Compile = <Args extends readonly Tensors[], Result extends Tensors>(
  step: Step<Args, Result>,
) => Step<Args, Result>;

interface RecurrentOptions {
  readonly xla: XlaSwitch;
  /** Given on CUDA devices: LSTMs then run on cuDNN where it can compute them. */
  readonly cudnn: CudnnSwitch | undefined;
  /** How many parts of a batch may run side by side. */
  readonly threads: number;
}

/**
 * Puts recurrent layers and `scan` on loops in the place of unrolled ones. XLA compiles the loops on CPUs, where the operations of a
 * step are so small that starting them costs more than computing them; on GPUs it would need CUDA's own compiler.
 */
export function registerRecurrentLayers(
  backend: TensorflowBackend,
  compile: Compile,
  { xla, cudnn, threads }: RecurrentOptions,
): void {
  const loops = loopsOf(backend, xla);
  const onLoops = differentiable(eagerToo(backend, compile, inParts(backend, lstmOnLoops(loops), threads)), 2);
  lstm.replace('tensorflow', cudnn ? cudnnOrLoops(cudnnOperations(backend), onLoops, cudnn) : onLoops);
  gru.replace(
    'tensorflow',
    differentiable(eagerToo(backend, compile, inParts(backend, gruOnLoops(loops), threads)), 1),
  );
  replaceScan('tensorflow', (step, inputs) =>
    backend.tensors.tracer ? scanOnLoops(loops, step, inputs) : scanStepByStep(step, inputs),
  );
}

/** Within a compiled step the recurrence is part of it; outside, its two passes are compiled by themselves. */
function eagerToo(backend: TensorflowBackend, compile: Compile, recurrence: Recurrence): Recurrence {
  const [forwardAlone, forward] = [false, true].map((hasGradient) =>
    byActivation((activation) =>
      compile((tensors: Packed) => {
        const { outputs, lastCell, saved } = recurrence.forward(unpack(tensors, activation), hasGradient);
        return { outputs, lastCell: lastCell ? [lastCell] : [], saved };
      }),
    ),
  );
  const backward = byActivation((activation) =>
    compile((tensors: Packed, saved: readonly tf.Tensor[], dOutputs: tf.Tensor, dLastCell: readonly tf.Tensor[]) =>
      recurrence.backward(
        unpack(tensors, activation),
        saved,
        dOutputs as tf.Tensor3D,
        dLastCell[0] as tf.Tensor2D | undefined,
      ),
    ),
  );
  return {
    forward(inputs, hasGradient) {
      if (backend.tensors.tracer) return recurrence.forward(inputs, hasGradient);
      const pass = (hasGradient ? forward : forwardAlone)!(inputs.recurrentActivation);
      const { outputs, lastCell, saved } = pass(pack(inputs));
      check('a recurrent layer', inputs, [outputs, ...lastCell]);
      return { outputs, ...(lastCell[0] && { lastCell: lastCell[0] }), saved };
    },
    backward(inputs, saved, dOutputs, dLastCell) {
      if (backend.tensors.tracer) return recurrence.backward(inputs, saved, dOutputs, dLastCell);
      const slopes = backward(inputs.recurrentActivation)(pack(inputs), saved, dOutputs, dLastCell ? [dLastCell] : []);
      check('the gradient of a recurrent layer', { ...inputs, dOutputs }, slopes);
      return slopes;
    },
  };
}

/** Looks for NaN as for that of a kernel, which a compiled function is not. */
function check(what: string, inputs: RecurrenceInputs & { dOutputs?: tf.Tensor }, made: readonly tf.Tensor[]): void {
  const { x, kernel, recurrentKernel, bias, dOutputs } = inputs;
  if (isDebugging()) checkResults(what, { x, kernel, recurrentKernel, bias, ...(dOutputs && { dOutputs }) }, made);
}

/** The tensors of a recurrence, as a compiled function takes them; variables go in as plain tensors. */
type Packed = readonly (readonly tf.Tensor[])[];

const pack = ({ x, kernel, recurrentKernel, bias, states, mask }: RecurrenceInputs): Packed => [
  [x, kernel, recurrentKernel, bias].map((tensor) => tensor.clone()),
  states,
  mask ? [mask] : [],
];

function unpack(
  [weights = [], states = [], masks = []]: Packed,
  recurrentActivation: GateActivation,
): RecurrenceInputs {
  const [x, kernel, recurrentKernel, bias] = weights;
  return { x, kernel, recurrentKernel, bias, states, mask: masks[0], recurrentActivation } as RecurrenceInputs;
}

/** One function for each activation of the gates, made when it is first asked for. */
function byActivation<T>(make: (activation: GateActivation) => T): (activation: GateActivation) => T {
  const made = new Map<GateActivation, T>();
  return (activation) => {
    const known = made.get(activation) ?? make(activation);
    made.set(activation, known);
    return known;
  };
}
