import * as tf from '@tensorflow/tfjs';
import { ModelError } from '../errors.ts';

/** The parts of tfjs layers that are read here: not in its public types. */
type AnyLayer = tf.layers.Layer & {
  inputs?: tf.SymbolicTensor[];
  outputs?: tf.SymbolicTensor[];
  layers?: AnyLayer[];
  forwardLayer?: tf.RNN;
  backwardLayer?: tf.RNN;
  returnSequences?: boolean;
  axis?: number | number[];
};
interface Step extends tf.SymbolicTensor {
  readonly nodeIndex: number;
  readonly sourceLayer: AnyLayer;
}
interface CallArguments {
  readonly mask?: tf.Tensor | readonly (tf.Tensor | null)[] | null;
}

/** Layers that treat each step by itself, so that padded steps stay what they are: padding. */
const perStep = new Set([
  'Dense',
  'Embedding',
  'Masking',
  'TimeDistributed',
  'Activation',
  'ReLU',
  'LeakyReLU',
  'ELU',
  'PReLU',
  'ThresholdedReLU',
  'Dropout',
  'GaussianNoise',
  'GaussianDropout',
  'AlphaDropout',
  'SpatialDropout1D',
  'Add',
  'Subtract',
  'Multiply',
  'Average',
  'Maximum',
  'Minimum',
]);
/** Layers that do so if their axis is not the time axis. */
const perStepByAxis = new Set(['Concatenate', 'LayerNormalization', 'Softmax']);

/**
 * Checks that padded steps change nothing in a model: layers that treat each step by itself leave them alone, recurrent
 * layers pass over them by the mask, and any other layer would mix them into what the model answers.
 *
 * @param stepped which of the model's inputs have a padded time axis
 * @throws {ModelError} naming the first layer that would mix
 */
export function checkMasking(model: tf.LayersModel, stepped: readonly boolean[]): void {
  const open = model.inputs.findIndex(({ shape }, i) => shape[1] === null && !stepped[i]);
  if (open >= 0)
    throw new ModelError(
      `Model \`${model.name}\`: expected a fixed shape for input \`${model.inputNames[open]}\`, whose column has one, got an open time axis. Build it with the column's shape.`,
    );
  takersOf(model, stepped, (layer) => {
    const isNorm = layer.getClassName() === 'BatchNormalization';
    throw new ModelError(
      `Model \`${model.name}\`: expected layers that pass over padded steps, got \`${layer.name}\` (${layer.getClassName()}), which mixes steps ${isNorm ? 'in its batch statistics' : 'and knows no mask'}. ` +
        `${isNorm ? 'Use layerNormalization' : 'Use an LSTM or GRU there, give the model an input `mask` and weigh the steps by it'}, or open the corpus with one length for all (\`lengths: 'padded'\`).`,
      { layer: layer.name, className: layer.getClassName() },
    );
  });
}

/** The recurrent layers that take the mask, by model; models do not change once they are built. */
const known = new WeakMap<tf.LayersModel, readonly tf.RNN[]>();

/**
 * Hands the real steps to a model's recurrent layers for the length of one call, as a `masking` layer in front would,
 * with which it goes together.
 *
 * @param steps 1 in real steps, 0 in padded ones, [B, T]
 * @returns takes it back
 */
export function maskLayers(model: tf.LayersModel, steps: tf.Tensor): () => void {
  const openInputs = model.inputs.map(({ shape }) => shape[1] === null);
  const takers = known.get(model) ?? takersOf(model, openInputs, () => false);
  known.set(model, takers);
  const undos = takers.map((layer) => maskLayer(layer, steps));
  return () => {
    for (const undo of undos) undo();
  };
}

function maskLayer(layer: tf.RNN, steps: tf.Tensor): () => void {
  const own = Object.getOwnPropertyDescriptor(layer, 'call');
  const call = layer.call.bind(layer);
  layer.call = (inputs, kwargs: CallArguments | undefined) => {
    const given = kwargs?.mask instanceof tf.Tensor ? kwargs.mask : kwargs?.mask?.[0];
    return call(inputs, { ...kwargs, mask: given ? tf.mul(steps, tf.cast(given, 'float32')) : steps });
  };
  return () => {
    if (own) Object.defineProperty(layer, 'call', own);
    else Reflect.deleteProperty(layer, 'call');
  };
}

/** What becomes of a layer that mixes steps: whether its output has padded ones. */
type OnMixing = (layer: AnyLayer) => boolean;

function takersOf(model: tf.LayersModel, stepped: readonly boolean[], onMixing: OnMixing): tf.RNN[] {
  const walk = new Walk(onMixing);
  for (const output of model.outputs) walk.isPadded(output, entriesOf(model.inputs, stepped));
  return [...walk.takers];
}

const entriesOf = (inputs: readonly tf.SymbolicTensor[], padded: readonly boolean[]) =>
  new Map(inputs.map((input, i) => [input.id, padded[i]!]));

/** Follows padded time axes through a model, from its inputs to its outputs. */
class Walk {
  readonly takers = new Set<tf.RNN>();
  readonly #onMixing: OnMixing;

  constructor(onMixing: OnMixing) {
    this.#onMixing = onMixing;
  }

  /** Whether a tensor has padded steps. @param found what is known of the tensors of its model, by their ids */
  isPadded(tensor: Step, found: Map<number, boolean>): boolean {
    const before = found.get(tensor.id);
    if (before !== undefined) return before;
    const { sourceLayer: layer, nodeIndex } = tensor;
    const inputs = (layer.inboundNodes[nodeIndex]?.inputTensors ?? []) as Step[];
    const padded = inputs.map((input) => this.isPadded(input, found));
    const own = padded.includes(true) && this.#passes(layer, tensor, padded);
    found.set(tensor.id, own);
    return own;
  }

  #passes(layer: AnyLayer, tensor: Step, padded: readonly boolean[]): boolean {
    const place = tensor.outputTensorIndex ?? 0;
    if (layer.layers && layer.inputs && layer.outputs)
      return this.isPadded(layer.outputs[place] as Step, entriesOf(layer.inputs, padded));
    const recurrent = layer instanceof tf.RNN ? [layer] : [layer.forwardLayer, layer.backwardLayer];
    if (recurrent[0]) {
      if (padded[0]) for (const own of recurrent) if (own) this.takers.add(own);
      return padded[0]! && layer.returnSequences === true && tensor.shape.length > 2;
    }
    const name = layer.getClassName();
    if (perStep.has(name) || (perStepByAxis.has(name) && !isAlongTime(layer, tensor.shape.length))) return true;
    return this.#onMixing(layer);
  }
}

const isAlongTime = ({ axis = -1 }: AnyLayer, rank: number): boolean =>
  [axis].flat().some((own) => (own < 0 ? own + rank : own) <= 1);
