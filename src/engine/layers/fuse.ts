import * as tf from '@tensorflow/tfjs';
import { gruSequence } from './gru-sequence.ts';
import { lstmSequence } from './lstm-sequence.ts';
import { type GateActivation, gateActivations, type RecurrentSequence } from './recurrent-sequence.ts';

/** What `fuse` did: the layers that are fast now, and those left as they were, with the reason. */
export interface FuseReport {
  readonly fused: readonly string[];
  readonly left: readonly { readonly layer: string; readonly why: string }[];
}

type Layer = tf.LayersModel['layers'][number];
export type RecurrentLayer = Layer & tf.RNN;

/** Layers fused already: the swap happens once a layer. */
const fusedLayers = new WeakSet<Layer>();

/**
 * Makes the recurrent layers of a model fast, in place: LSTM and GRU layers, also within `bidirectional`,
 * `timeDistributed` and nested models. Only how a layer computes changes: weights, names, configuration and saved models
 * stay those of the stock layers, and results and gradients are equal to within rounding.
 *
 * Layers whose activation is not tanh, whose gates are neither sigmoid nor hard sigmoid, with dropout inside or with state
 * from batch to batch are left as they are and reported. Calling it again changes nothing. A gradient of a gradient that
 * goes through a fast layer throws an `EngineError`: take second derivatives of a model that was not fused.
 *
 * @example
 * const { fused, left } = fuse(model);
 * console.log(`fast: ${fused.join(', ')}`, left);
 */
export function fuse(model: tf.LayersModel): FuseReport {
  const fused: string[] = [];
  const left: { layer: string; why: string }[] = [];
  for (const [path, layer] of recurrentLayers(model, '')) {
    const why = whyNot(layer);
    if (why) left.push({ layer: path, why });
    else {
      fused.push(path);
      if (!fusedLayers.has(layer)) swapCall(layer);
      fusedLayers.add(layer);
    }
  }
  return { fused, left };
}

/** Every recurrent layer with its path of names, through wrappers and nested models. */
function* recurrentLayers(container: object, path: string): Generator<[string, RecurrentLayer]> {
  for (const layer of childrenOf(container)) {
    const name = path + layer.name;
    if (isRecurrent(layer)) yield [name, layer];
    yield* recurrentLayers(layer, `${name}/`);
  }
}

/** The layers within a model or wrapper: tfjs names them `layers`, `layer`, or `forwardLayer` and `backwardLayer`. */
const childrenOf = (container: object): Layer[] => {
  const { layers, layer, forwardLayer, backwardLayer } = container as Readonly<
    Partial<{ layers: Layer[]; layer: Layer; forwardLayer: Layer; backwardLayer: Layer }>
  >;
  // A bidirectional layer also has the layer it was made of as `layer`, which is never called.
  if (forwardLayer && backwardLayer) return [forwardLayer, backwardLayer];
  return layers ?? (layer ? [layer] : []);
};

const isRecurrent = (layer: Layer): layer is RecurrentLayer => layer instanceof tf.RNN;

/** Why a recurrent layer has to stay as it is, or nothing. */
export function whyNot(layer: RecurrentLayer): string | undefined {
  const kind = layer.getClassName();
  if (kind !== 'LSTM' && kind !== 'GRU') return `${kind} has no fast form`;
  // The class name above says which cell it is.
  const cell = layer.cell as unknown as Cell;
  const activation = cell.activation.getClassName();
  const gates = cell.recurrentActivation.getClassName();
  if (layer.stateful) return 'it keeps its state from batch to batch';
  if (cell.dropout > 0 || cell.recurrentDropout > 0) return 'it has dropout inside';
  if (activation !== 'tanh') return `its activation is ${activation}, not tanh`;
  if (!isGateActivation(gates)) return `its recurrentActivation is ${gates}, not ${gateActivations.join(' or ')}`;
  return undefined;
}

const isGateActivation = (name: string): name is GateActivation => gateActivations.some((known) => known === name);

/** The members of LSTM and GRU cells, which share their names. */
interface Cell {
  readonly units: number;
  readonly activation: { getClassName(): string };
  readonly recurrentActivation: { getClassName(): string };
  readonly dropout: number;
  readonly recurrentDropout: number;
  readonly kernel: { read(): tf.Tensor };
  readonly recurrentKernel: { read(): tf.Tensor };
  readonly bias: { read(): tf.Tensor } | null;
}

/** The arguments of a recurrent layer's `call`; a mask or state that is not there is null or undefined. */
export interface CallArguments {
  readonly mask?: tf.Tensor | readonly (tf.Tensor | null)[] | null;
  readonly initialState?: readonly tf.Tensor2D[] | null;
}

function swapCall(layer: RecurrentLayer): void {
  const sequence = layer.getClassName() === 'LSTM' ? lstmSequence : gruSequence;
  // A subclass of tf.layers.Layer would lose the class name that the saved model carries, so the instance's call is set.
  layer.call = (inputs, kwargs: CallArguments | undefined) => tf.tidy(() => runLayer(layer, sequence, inputs, kwargs));
}

/** Answers for a recurrent layer that `whyNot` has nothing against, by a sequence like that of its cell. */
export function runLayer(
  layer: tf.RNN,
  sequence: RecurrentSequence,
  inputs: tf.Tensor | tf.Tensor[],
  kwargs: CallArguments = {},
): tf.Tensor | tf.Tensor[] {
  const cell = layer.cell as unknown as Cell;
  const x = (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor3D;
  const mask = asMask(kwargs.mask);
  const [, width = 0] = cell.kernel.read().shape;
  const { outputs, states } = sequence(
    layer.goBackwards ? tf.reverse(x, 1) : x,
    cell.kernel.read() as tf.Tensor2D,
    cell.recurrentKernel.read() as tf.Tensor2D,
    (cell.bias?.read() as tf.Tensor1D | undefined) ?? tf.zeros([width]),
    {
      recurrentActivation: cell.recurrentActivation.getClassName() as GateActivation, // checked by whyNot
      initialState: kwargs.initialState ?? undefined,
      mask: mask && layer.goBackwards ? tf.reverse(mask, 1) : mask,
      needsStates: layer.returnState,
    },
  );
  const output = layer.returnSequences ? outputs : lastStep(outputs);
  return layer.returnState ? [output, ...states] : output;
}

/** The mask as float32 [B, T]; with several inputs the layer gets one a tensor, and the sequence's comes first. */
function asMask(given: CallArguments['mask']): tf.Tensor2D | undefined {
  const mask = given instanceof tf.Tensor ? given : given?.[0];
  return mask
    ? mask
        .toBool()
        .toFloat()
        .reshape<tf.Tensor2D>([mask.shape[0] ?? 0, mask.shape[1] ?? 0])
    : undefined;
}

const lastStep = (outputs: tf.Tensor3D): tf.Tensor2D => {
  const [batch, steps, size] = outputs.shape;
  return outputs.slice([0, steps - 1, 0], [batch, 1, size]).reshape([batch, size]); // [B, T, H] -> [B, H]
};
