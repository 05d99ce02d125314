import * as tf from '@tensorflow/tfjs';

/** Where a model's last activation sits, and a way to take it off for the length of one call. */
export interface ActivationSlot {
  /** The layer that applies it. */
  readonly layer: string;
  /** Its tfjs name, `linear` where the layer has none, or the class of a layer that has no place for one. */
  readonly activation: string;
  /** Applies the activation to a pre-activation. */
  apply(z: tf.Tensor): tf.Tensor;
  /** Makes the layer give its pre-activation. @returns puts the activation back */
  makeLinear(): () => void;
}

/** What tfjs keeps in a layer's `activation`; not in its public types. */
interface Activation {
  apply(z: tf.Tensor, axis?: number): tf.Tensor;
  getClassName(): string;
}

/** The private parts of tfjs layers that are touched here, and nowhere else. */
type AnyLayer = tf.layers.Layer & {
  activation?: Activation | null;
  softmax?: Activation['apply'];
  axis?: number;
  layer?: AnyLayer;
  outputs?: tf.SymbolicTensor[];
};

/** Layers whose `activation` is the last thing that they apply, so that without it they give the pre-activation. */
const activatesLast = new Set([
  'Dense',
  'Activation',
  'Conv1D',
  'Conv2D',
  'Conv3D',
  'Conv2DTranspose',
  'Conv3DTranspose',
  'SeparableConv2D',
  'DepthwiseConv2D',
]);

const linear = (tf.layers.activation({ activation: 'linear' }) as unknown as { activation: Activation }).activation;

/**
 * Finds the last activation on the way to an output: of a dense or convolution layer, of an activation or softmax layer,
 * inside `timeDistributed`, or at the end of a nested model. A layer of any other class counts as its own
 * pre-activation.
 */
export function findActivation(output: tf.SymbolicTensor): ActivationSlot {
  const layer = output.sourceLayer as AnyLayer;
  if (layer.outputs) return findActivation(layer.outputs[output.outputTensorIndex ?? 0]!);
  return slotOf(layer, output.shape.length);
}

function slotOf(layer: AnyLayer, rank: number): ActivationSlot {
  const name = layer.getClassName();
  if (name === 'TimeDistributed' && layer.layer) return slotOf(layer.layer, rank);
  if (name === 'Softmax') return softmaxLayerSlot(layer, rank);
  if (!activatesLast.has(name)) return fixedSlot(layer, name);
  const activation = layer.activation ?? linear;
  return {
    layer: layer.name,
    activation: activation.getClassName(),
    apply: (z) => activation.apply(z),
    makeLinear: () => {
      const own = layer.activation;
      layer.activation = linear;
      return () => {
        layer.activation = own!;
      };
    },
  };
}

/** tfjs' softmax layer keeps a function, and an axis (1 by default); only the last axis is a softmax over classes. */
function softmaxLayerSlot(layer: AnyLayer, rank: number): ActivationSlot {
  const softmax = layer.softmax!;
  return {
    layer: layer.name,
    activation: layer.axis === -1 || layer.axis === rank - 1 ? 'softmax' : `softmax over axis ${layer.axis}`,
    apply: (z) => softmax(z, layer.axis),
    makeLinear: () => {
      layer.softmax = (z) => z;
      return () => {
        layer.softmax = softmax;
      };
    },
  };
}

const fixedSlot = (layer: AnyLayer, name: string): ActivationSlot => ({
  layer: layer.name,
  activation: name,
  apply: (z) => z,
  makeLinear: () => () => {},
});
