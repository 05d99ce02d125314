import * as tf from '@tensorflow/tfjs';
import { ModelError } from '../errors.ts';
import { tripletLossOf } from './embedding-loss.ts';
import type { Head } from './head.ts';
import { disturb, isPlainLstm, type OpenLayer } from './disturbed-layer.ts';
import { tensorsOf } from './pretrained/cut-model.ts';

/** Exact norms of each sample's own gradient. */
export interface GradientNorms {
  /** Samples that it takes at a time: 1 where the samples' gradients cannot be told apart in one backward pass. */
  readonly batchSize: number;
  /** ‖∂loss_i/∂θ‖₂ over all trained parameters, dropout off. @returns [B], owned by the caller */
  of(inputs: readonly tf.Tensor[], targets: readonly tf.Tensor[], mask?: tf.Tensor): tf.Tensor1D;
}

/**
 * Exact per-sample gradient norms of a model.
 *
 * Where every trained layer is dense, a plain 2D convolution or an LSTM, one backward pass for all samples will do. Such a
 * layer computes z_p = Wᵀ a_p + b at each position or time step p (for an LSTM a_t is its input beside the state h_(t−1)),
 * so a sample's gradient is made of its own a and δ = ∂loss_i/∂z alone:
 *
 *     ∂loss_i/∂W = Σ_p a_p δ_pᵀ,   ∂loss_i/∂b = Σ_p δ_p          (Goodfellow 2015, arXiv:1510.01799, for one position)
 *
 * and δ of all samples is the gradient of Σ_i loss_i. With one position ‖a δᵀ‖ = ‖a‖ ‖δ‖. Any other model is done sample
 * by sample.
 * @throws {ModelError} when the loss is one of triplets, in which a sample has no gradient of its own
 * @example
 * const norms = exactNorms(head);
 * const [x, y] = [tf.ones([norms.batchSize, 2]), tf.zeros([norms.batchSize], 'int32')];
 * norms.of([x], [y]).print(); // one number a sample
 */
export function exactNorms(head: Head): GradientNorms {
  if (tripletLossOf(head.model))
    throw new ModelError(
      'Exact gradient norms: expected a loss of single samples, got one of pairs or triplets. ' +
        'Compile the model with another loss, or choose the scheme `hard-negative` or `distance-weighted`.',
    );
  const layers = trainedLayers(head.model);
  const separable = layers.length > 0 && layers.every(isSeparable);
  return separable && appliesOnce(head.model)
    ? { batchSize: 64, of: layerwise(head, layers) }
    : { batchSize: 1, of: bySample(head) };
}

const isSeparable = (layer: OpenLayer) => isDense(layer) || isPlainConvolution(layer) || isPlainLstm(layer);

const trainedLayers = (model: tf.LayersModel): OpenLayer[] =>
  (model.layers as OpenLayer[]).flatMap((layer) => {
    if (layer.trainableWeights.length === 0) return [];
    return layer.layers ? trainedLayers(layer as unknown as tf.LayersModel) : [layer];
  });

const isDense = (layer: OpenLayer) => layer.getClassName() === 'Dense';

/** One without dilation, in the usual order of axes, whose patches tfjs can unfold. */
function isPlainConvolution(layer: OpenLayer): boolean {
  if (layer.getClassName() !== 'Conv2D') return false;
  const { dataFormat, dilationRate } = layer.getConfig();
  return dataFormat !== 'channelsFirst' && [dilationRate].flat().every((rate) => rate === null || rate === 1);
}

/** Whether each layer is applied once: a shared layer's gradients would have to be added before the norm. */
function appliesOnce(model: tf.LayersModel, nodes = new Map<tf.layers.Layer, number>()): boolean {
  for (const { sourceLayer: layer, nodeIndex } of tensorsOf(model) as Iterable<NodeOutput>) {
    const known = nodes.get(layer);
    if (known !== undefined && known !== nodeIndex) return false;
    nodes.set(layer, nodeIndex);
    if (known === undefined && isModel(layer) && !appliesOnce(layer, nodes)) return false;
  }
  return true;
}

/** A tensor of a model's graph, with what tfjs keeps to itself. */
type NodeOutput = tf.SymbolicTensor & { readonly nodeIndex: number };
const isModel = (layer: tf.layers.Layer): layer is tf.LayersModel => layer instanceof tf.LayersModel;

/** What went through a layer: its input, and the disturbance of its pre-activation. */
interface Passage {
  readonly layer: OpenLayer;
  readonly input: tf.Tensor;
}

/** One backward pass to each layer's pre-activation, for all samples. */
function layerwise(head: Head, layers: readonly OpenLayer[]): GradientNorms['of'] {
  return (inputs, targets, mask) =>
    tf.tidy(() => {
      const passages: Passage[] = [];
      const shapes = preActivationShapes(head, layers, inputs);
      const lossOf = (...disturbances: tf.Tensor[]) => {
        const restore = layers.map((layer, i) =>
          disturb(layer, disturbances[i], (input) => passages.push({ layer, input: tf.keep(tf.clone(input)) })),
        );
        try {
          return tf.sum<tf.Scalar>(head.perSampleLoss(head.forward(inputs, false), targets, mask));
        } finally {
          for (const undo of restore) undo();
        }
      };
      const deltas = tf.grads(lossOf)(shapes.map((shape) => tf.zeros(shape)));
      const squares = layers.map((layer, i) => {
        const { input } = passages.find((passage) => passage.layer === layer)!;
        return squaredNorm(layer, input, deltas[i]!);
      });
      for (const { input } of passages) input.dispose();
      return tf.sqrt(tf.addN(squares));
    });
}

/** Shapes of the layers' pre-activations for these inputs, by a forward pass. */
function preActivationShapes(head: Head, layers: readonly OpenLayer[], inputs: readonly tf.Tensor[]): number[][] {
  const shapes: number[][] = layers.map(() => []);
  const restore = layers.map((layer, i) => disturb(layer, undefined, (_, shape) => (shapes[i] = shape)));
  try {
    head.forward(inputs, false);
  } finally {
    for (const undo of restore) undo();
  }
  return shapes;
}

/** ‖Σ_p a_p δ_pᵀ‖² + ‖Σ_p δ_p‖² of each sample. @returns [B] */
function squaredNorm(layer: OpenLayer, input: tf.Tensor, delta: tf.Tensor): tf.Tensor1D {
  const samples = delta.shape[0];
  const units = delta.shape.at(-1)!;
  const d = tf.reshape<tf.Rank.R3>(delta, [samples, -1, units]); // [B, P, C]
  const a = !isPlainConvolution(layer)
    ? tf.reshape<tf.Rank.R3>(input, [samples, -1, input.shape.at(-1)!])
    : patches(layer, input as tf.Tensor4D);
  const kernel = tf.sum<tf.Tensor1D>(tf.square(tf.matMul(a, d, true, false)), [1, 2]); // [B, K, P] · [B, P, C]
  if (!(layer.cell ?? layer).useBias) return kernel;
  return tf.add(kernel, tf.sum(tf.square(tf.sum(d, 1)), 1));
}

/** The inputs that each position of a convolution sees. @returns [B, P, kernel height · width · D] */
function patches(layer: OpenLayer, input: tf.Tensor4D /* [B, H, W, D] */): tf.Tensor3D {
  const { kernelSize, strides, padding } = layer.getConfig() as {
    kernelSize: [number, number];
    strides: [number, number];
    padding: 'same' | 'valid';
  };
  const [height, width] = [kernelSize].flat() as [number, number];
  const depth = input.shape[3];
  const size = height * width * depth;
  // An identity as the kernel lays each patch out along the channels.
  const unfold = tf.reshape<tf.Rank.R4>(tf.eye(size), [height, width, depth, size]);
  return tf.reshape<tf.Rank.R3>(tf.conv2d(input, unfold, strides, padding), [input.shape[0], -1, size]);
}

/** A backward pass for each sample. */
function bySample(head: Head): GradientNorms['of'] {
  return (inputs, targets, mask) =>
    tf.tidy(() => {
      const variables = head.model.trainableWeights.map((weight) => weight.read() as tf.Variable);
      const normOf = (row: number) => {
        const at = (value: tf.Tensor) => tf.slice(value, row, 1);
        const { grads } = tf.variableGrads(
          () =>
            tf.sum<tf.Scalar>(
              head.perSampleLoss(head.forward(inputs.map(at), false), targets.map(at), mask && at(mask)),
            ),
          variables,
        );
        return tf.sqrt(tf.addN(Object.values(grads).map((gradient) => tf.sum(tf.square(gradient)))));
      };
      return tf.stack(Array.from({ length: inputs[0]!.shape[0] }, (_, row) => normOf(row))) as tf.Tensor1D;
    });
}
