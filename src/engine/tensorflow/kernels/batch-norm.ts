import * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from '../backend.ts';
import type { Attribute } from '../binding/attributes.ts';
import { registerManyOutputs, runManyOutputs } from './override.ts';

const TRAIN = 'FusedBatchNormTraining';
const TRAIN_GRADIENT = 'FusedBatchNormTrainingGrad';

/**
 * Batch normalisation in training as one operation forward (`FusedBatchNormV3`) and one backward, which goes through the
 * batch's own mean and variance; TensorFlow.js composes a dozen. The stock layer `BatchNormalization` uses it while the
 * engine is active: its weights, names and saved models stay what they are.
 */
export function registerBatchNorm(backend: TensorflowBackend): void {
  registerManyOutputs(backend, TRAIN, (run, { x, scale, offset, none }, { epsilon }) => {
    if (!x || !scale || !offset || !none) return [];
    const attributes: Attribute[] = [
      { name: 'epsilon', value: Number(epsilon) },
      { name: 'is_training', value: true },
    ];
    return run('FusedBatchNormV3', [x, scale, offset, none, none], attributes, 6);
  });
  registerManyOutputs(backend, TRAIN_GRADIENT, (run, { dy, x, scale, ...reserved }, { epsilon }) => {
    const { mean, inverse, extra } = reserved;
    if (!dy || !x || !scale || !mean || !inverse || !extra) return [];
    const attributes: Attribute[] = [
      { name: 'epsilon', value: Number(epsilon) },
      { name: 'is_training', value: true },
    ];
    const outputs = run('FusedBatchNormGradV3', [dy, x, scale, mean, inverse, extra], attributes, 5);
    tf.dispose(outputs.slice(3));
    return outputs.slice(0, 3);
  });
  tf.registerGradient({
    kernelName: TRAIN,
    inputsToSave: ['x', 'scale'],
    outputsToSave: [false, false, false, true, true, true],
    gradFunc: (dys, [x, scale, mean, inverse, extra], attributes) => {
      const [dy] = Array.isArray(dys) ? dys : [dys];
      if (!dy || !x || !scale || !mean || !inverse || !extra) throw new RangeError(`${TRAIN} saves five tensors.`);
      // Computed here and not within a function below: TensorFlow.js runs each of those in a tidy of its own.
      const [dx, dscale, doffset] = runManyOutputs(TRAIN_GRADIENT, { dy, x, scale, mean, inverse, extra }, attributes);
      return {
        x: () => copyOf(dx),
        scale: () => copyOf(dscale),
        offset: () => copyOf(doffset),
        none: () => tf.zeros([0]),
      };
    },
  });
  patchLayer();
}

function copyOf(tensor: tf.Tensor | undefined): tf.Tensor {
  if (!tensor) throw new RangeError(`${TRAIN_GRADIENT} gives three tensors.`);
  return tensor.clone();
}

/** Normalises by the batch's own mean and variance over all axes but the last: y, mean, and variance (biased). */
export function normalizeBatch(
  x: tf.Tensor,
  scale: tf.Tensor,
  offset: tf.Tensor,
  epsilon: number,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const channels = x.shape.at(-1) ?? 1;
  const count = x.size / channels;
  const image = x.rank === 4 ? x : x.reshape([x.shape[0] ?? 1, count / (x.shape[0] ?? 1), 1, channels]);
  const [y, mean, variance] = runManyOutputs(TRAIN, { x: image, scale, offset, none: tf.tensor1d([]) }, { epsilon });
  if (!y || !mean || !variance) throw new RangeError(`${TRAIN} gives six tensors.`);
  // TensorFlow gives the unbiased variance, TensorFlow.js keeps the biased one
  const biased = count > 1 ? variance.mul((count - 1) / count) : variance;
  return [y.reshape(x.shape), mean, biased];
}

/** The members of the stock layer that its `call` uses. */
interface BatchNormalization {
  readonly axis: number;
  readonly epsilon: number;
  readonly momentum: number;
  readonly gamma: tf.LayerVariable | null | undefined;
  readonly beta: tf.LayerVariable | null | undefined;
  readonly movingMean: tf.LayerVariable;
  readonly movingVariance: tf.LayerVariable;
}
type Call = (
  this: BatchNormalization,
  inputs: tf.Tensor | tf.Tensor[],
  kwargs: { readonly training?: boolean },
) => tf.Tensor | tf.Tensor[];

function patchLayer(): void {
  const [layer] = tf.serialization.SerializationMap.getMap().classNameMap['BatchNormalization'] ?? [];
  if (!layer) return; // a build of TensorFlow.js without layers
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the class of the registered name
  const prototype = layer.prototype as { call: Call };
  const { call } = prototype;
  prototype.call = function (inputs, kwargs) {
    const x = Array.isArray(inputs) ? inputs[0] : inputs;
    const isLast = x !== undefined && (this.axis === -1 || this.axis === x.rank - 1);
    const fits = isLast && x.rank >= 2 && x.rank <= 4 && x.dtype === 'float32' && x.size > 0;
    if (tf.getBackend() !== 'tensorflow' || kwargs.training !== true || !fits) return call.call(this, inputs, kwargs);
    return tf.tidy(() => callFused(this, x));
  };
}

function callFused(layer: BatchNormalization, x: tf.Tensor): tf.Tensor {
  const channels = x.shape.at(-1) ?? 1;
  const scale = layer.gamma?.read() ?? tf.ones([channels]);
  const offset = layer.beta?.read() ?? tf.zeros([channels]);
  const [y, mean, variance] = normalizeBatch(x, scale, offset, layer.epsilon);
  for (const [variable, value] of [
    [layer.movingMean, mean],
    [layer.movingVariance, variance],
  ] as const) {
    const before = variable.read();
    variable.write(before.sub(before.sub(value).mul(1 - layer.momentum)));
  }
  return y;
}
