import * as tf from '@tensorflow/tfjs';
import { ModelError } from '../errors.ts';
import { compiledParts, type LossFunction, type LossSpec } from './compiled.ts';
import { findActivation, type ActivationSlot } from './activation.ts';
import { maskLayers } from './masking.ts';
import {
  anyLoss,
  sigmoidCrossEntropy,
  softmaxCrossEntropy,
  sparseSoftmaxCrossEntropy,
  squaredError,
  type HeadLoss,
} from './losses.ts';

/**
 * A compiled model, opened at its head: the forward pass up to the last pre-activation z, and its losses as functions of
 * z. Training and scoring both go through it, so the score of a sample is the gradient of the very loss that is trained.
 *
 * Legend: B samples; z one tensor an output, [B, ...].
 */
export interface Head {
  readonly model: tf.LayersModel;
  readonly losses: readonly HeadLoss[];
  /**
   * The pre-activations z.
   *
   * @param inputs those of the model; one more is the mask of the real steps, [B, T], which recurrent layers pass by
   * @param training whether dropout is on and batch statistics are used and updated
   */
  forward(inputs: readonly tf.Tensor[], training: boolean): tf.Tensor[];
  /** What the model would answer: its activations applied to z. */
  predictions(z: readonly tf.Tensor[]): tf.Tensor[];
  /** The loss of each sample, summed over the outputs. @returns [B], owned by the caller */
  perSampleLoss(z: readonly tf.Tensor[], y: readonly tf.Tensor[], mask?: tf.Tensor): tf.Tensor1D;
  /**
   * ‖∂loss_i/∂z_i‖₂, the upper bound of the sample's gradient norm up to a shared factor; for several outputs, the root
   * of the sum of squares. @returns [B], owned by the caller
   */
  gradientNorm(z: readonly tf.Tensor[], y: readonly tf.Tensor[], mask?: tf.Tensor): tf.Tensor1D;
}

/**
 * Opens a compiled model at its head.
 *
 * @throws {ModelError} when the model is not compiled, or its loss does not fit its last activation
 * @example
 * model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
 * const head = openHead(model);
 */
export function openHead(model: tf.LayersModel): Head {
  const compiled = lossesOf(model);
  const slots = model.outputs.map((output) => findActivation(output));
  const losses = slots.map((slot, i) => fitLoss(compiled[i]!, slot, model.outputNames[i]!));

  return {
    model,
    losses,
    forward(inputs, training) {
      const steps = inputs[model.inputs.length];
      const restore = slots.map((slot) => slot.makeLinear());
      if (steps) restore.push(maskLayers(model, steps));
      try {
        const z = model.apply(inputs.slice(0, model.inputs.length), { training }) as tf.Tensor | tf.Tensor[];
        return Array.isArray(z) ? z : [z];
      } finally {
        for (const undo of restore.toReversed()) undo(); // two outputs may end in one layer
      }
    },
    predictions: (z) => z.map((value, i) => slots[i]!.apply(value)),
    perSampleLoss: (z, y, mask) => tf.tidy(() => sum(losses.map((loss, i) => loss.perSample(z[i]!, y[i]!, mask)))),
    gradientNorm: (z, y, mask) =>
      tf.tidy(() => tf.sqrt(sum(losses.map((loss, i) => loss.squaredGradientNorm(z[i]!, y[i]!, mask))))),
  };
}

const sum = (parts: tf.Tensor1D[]): tf.Tensor1D => (parts.length === 1 ? parts[0]! : tf.addN(parts));

/** An output's loss as it was given to `compile`, and the function that tfjs found for it. */
interface CompiledLoss {
  readonly spec: LossSpec;
  readonly lossOf: LossFunction;
}

/** The loss of each output, as the model was compiled. */
function lossesOf(model: tf.LayersModel): CompiledLoss[] {
  const { loss, lossFunctions } = compiledParts(model);
  if (loss === undefined || !lossFunctions || lossFunctions.length !== model.outputs.length)
    throw new ModelError(
      `Model \`${model.name}\`: expected a model compiled with one loss an output, got ${lossFunctions?.length ?? 0} losses for ` +
        `${model.outputs.length} outputs. Call model.compile({ optimizer, loss }) first, for example with loss 'sparseCategoricalCrossentropy'.`,
    );
  const specs = model.outputNames.map((name, i) => {
    if (typeof loss !== 'object') return loss;
    return Array.isArray(loss) ? loss[i]! : loss[name]!;
  });
  return specs.map((spec, i) => ({ spec, lossOf: lossFunctions[i]! }));
}

/** The losses that have a closed form, by how tfjs names them and by the activation that they follow. */
const closedForms: readonly {
  readonly names: readonly LossSpec[];
  readonly activation: string;
  readonly loss: HeadLoss;
}[] = [
  { names: ['sparseCategoricalCrossentropy'], activation: 'softmax', loss: sparseSoftmaxCrossEntropy },
  { names: ['categoricalCrossentropy'], activation: 'softmax', loss: softmaxCrossEntropy },
  { names: [tf.losses.softmaxCrossEntropy], activation: 'linear', loss: softmaxCrossEntropy },
  { names: ['binaryCrossentropy'], activation: 'sigmoid', loss: sigmoidCrossEntropy },
  { names: [tf.losses.sigmoidCrossEntropy], activation: 'linear', loss: sigmoidCrossEntropy },
  {
    names: ['meanSquaredError', tf.losses.meanSquaredError],
    activation: 'linear',
    loss: squaredError,
  },
];

/** Losses of probabilities: after any other activation they give numbers, but not the loss that was meant. */
const takesProbabilities: Readonly<Record<string, string>> = {
  sparseCategoricalCrossentropy: 'softmax',
  categoricalCrossentropy: 'softmax',
  binaryCrossentropy: 'sigmoid',
};

function fitLoss({ spec, lossOf }: CompiledLoss, slot: ActivationSlot, output: string): HeadLoss {
  const known = closedForms.find((form) => form.names.includes(spec) && form.activation === slot.activation);
  if (known) return known.loss;
  const name = typeof spec === 'string' ? spec : spec.name || 'custom loss';
  const wanted = takesProbabilities[name];
  if (wanted && slot.activation !== wanted)
    throw new ModelError(
      `Output \`${output}\`: expected a last activation of ${wanted} for the loss \`${name}\`, got ${slot.activation} ` +
        `from layer \`${slot.layer}\`. End the model with that activation${wanted === 'softmax' ? ', or compile it with tf.losses.softmaxCrossEntropy, which takes logits' : ''}.`,
      { output, loss: name, activation: slot.activation },
    );
  return anyLoss(name, checked(lossOf, output), (z) => slot.apply(z));
}

/** Refuses a loss that was already averaged over the batch: its samples cannot be weighed any more. */
const checked =
  (lossOf: LossFunction, output: string): LossFunction =>
  (yTrue, yPred) => {
    const values = lossOf(yTrue, yPred);
    if (values.rank > 0 && values.shape[0] === yPred.shape[0]) return values;
    throw new ModelError(
      `Loss of output \`${output}\`: expected one value a sample, [${yPred.shape[0]}, ...], got shape [${values.shape.join(', ')}]. ` +
        'Return the losses before averaging them over the batch (tf.losses take tf.Reduction.NONE), so that each can be weighed.',
      { output, shape: values.shape },
    );
  };
