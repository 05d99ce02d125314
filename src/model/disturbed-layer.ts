import * as tf from '@tensorflow/tfjs';
import { type CallArguments, type RecurrentLayer, runLayer, whyNot } from '../engine/layers/fuse.ts';
import { lstmSequence } from '../engine/layers/lstm-sequence.ts';
import type { RecurrentSequence } from '../engine/layers/recurrent-sequence.ts';

/** The parts of a layer that are read here. tfjs keeps the activation of a layer in a public, but undeclared, field. */
export interface OpenLayer extends tf.layers.Layer {
  activation?: { apply(x: tf.Tensor): tf.Tensor };
  useBias?: boolean;
  layers?: OpenLayer[];
  /** Of a recurrent layer. */
  cell?: { readonly useBias: boolean; readonly units: number };
}
const linear = (tf.layers.dense({ units: 1 }) as unknown as OpenLayer).activation!;

/** Is shown what a layer's kernel is multiplied with, and the shape of the product. */
type See = (input: tf.Tensor, shape: number[]) => void;

/** An LSTM that `fuse` can make fast: then its steps' pre-activations are at hand. */
export const isPlainLstm = (layer: OpenLayer): layer is OpenLayer & RecurrentLayer =>
  layer.getClassName() === 'LSTM' && whyNot(layer as unknown as RecurrentLayer) === undefined; // by the class name

/** Adds `disturbance` to a layer's pre-activation until it is undone, and shows the layer's input. */
export function disturb(layer: OpenLayer, disturbance: tf.Tensor | undefined, see: See): () => void {
  const before = Object.getOwnPropertyDescriptor(layer, 'call'); // `fuse` sets one
  layer.call = isPlainLstm(layer) ? lstmCall(layer, disturbance, see) : plainCall(layer, disturbance, see);
  return () => {
    if (before) Object.defineProperty(layer, 'call', before);
    else delete (layer as { call?: unknown }).call; // the class' own comes to light again
  };
}

/** Dense or convolution: linear, then disturbed, then as active as before. */
function plainCall(layer: OpenLayer, disturbance: tf.Tensor | undefined, see: See): OpenLayer['call'] {
  const own = layer.call.bind(layer);
  return (given, kwargs) => {
    const input = Array.isArray(given) ? given[0]! : given;
    const activation = layer.activation ?? linear;
    layer.activation = linear;
    try {
      const z = own(given, kwargs) as tf.Tensor;
      see(input, z.shape);
      return activation.apply(disturbance ? tf.add(z, disturbance) : z);
    } finally {
      layer.activation = activation;
    }
  };
}

/**
 * z_t = x_t Wx + b + h_(t−1) Wh takes a disturbance D_t as more inputs with the identity for a kernel. What Wx and Wh
 * together are multiplied with is x_t beside h_(t−1).
 */
function lstmCall(layer: RecurrentLayer, disturbance: tf.Tensor | undefined, see: See): OpenLayer['call'] {
  const sequence: RecurrentSequence = (x, kernel, recurrentKernel, bias, options) => {
    const [batch, steps] = x.shape;
    const [units, width] = recurrentKernel.shape;
    const result = disturbance
      ? lstmSequence(
          tf.concat([x, disturbance as tf.Tensor3D], 2), // [B, T, I + 4H]
          tf.concat([kernel, tf.eye(width)], 0),
          recurrentKernel,
          bias,
          options,
        )
      : lstmSequence(x, kernel, recurrentKernel, bias, options);
    const first = options.initialState?.[0] ?? tf.zeros<tf.Rank.R2>([batch, units]);
    const later = tf.slice(result.outputs, [0, 0, 0], [batch, steps - 1, units]);
    const states = tf.concat([tf.reshape<tf.Rank.R3>(first, [batch, 1, units]), later], 1);
    see(tf.concat([x, states], 2), [batch, steps, width]);
    return result;
  };
  return (given, kwargs: CallArguments | undefined) => runLayer(layer, sequence, given, kwargs);
}
