import * as tf from '@tensorflow/tfjs';
import { fuse } from '../layers/fuse.ts';
import { type ConformanceCase, inputTensor, type InputSpec, read, type Tensors, weightedSum } from './case.ts';

type Layer = tf.LayersModel['layers'][number];
const [batch, steps, features, units] = [2, 5, 3, 6];

/** Gives a layer's weights the same numbers on every engine; the initialisers would draw them on the engine. */
function setWeights(model: tf.LayersModel, name: string): void {
  tf.tidy(() => {
    const weights = model
      .getWeights()
      .map(({ shape }, i) => inputTensor({ shape, low: -0.5, high: 0.5 }, `${name} ${i}`));
    model.setWeights(weights);
  });
}

/** A layer's outputs in training mode, and the gradients of a weighted sum of them by its input and weights. */
function layer(
  name: string,
  make: () => Layer,
  input: InputSpec,
  { fused = false, tolerance = 5e-5 }: { readonly fused?: boolean; readonly tolerance?: number } = {},
): ConformanceCase {
  return {
    group: 'layer',
    name: fused ? `${name}, fused` : name,
    tolerance,
    against: 'cpu',
    compute: () => {
      const x = tf.input({ shape: input.shape.slice(1) });
      // a layer of one input gives one output here
      const model = tf.model({ inputs: x, outputs: make().apply(x) as tf.SymbolicTensor });
      if (fused) fuse(model);
      setWeights(model, name);
      const results = tf.tidy(() => outputsAndGradients(model, input, name));
      model.dispose();
      return read(results);
    },
  };
}

function outputsAndGradients(model: tf.LayersModel, spec: InputSpec, name: string): Tensors {
  const input = inputTensor(spec, `${name} input`);
  const apply = (x: tf.Tensor) => [model.apply(x, { training: true })].flat().filter((y) => y instanceof tf.Tensor);
  const results: Tensors = Object.fromEntries(apply(input).map((output, i) => [`output ${i}`, output]));
  const variables = model.trainableWeights
    .map((weight) => weight.read())
    .filter((weight) => weight instanceof tf.Variable);
  if (variables.length > 0) {
    const { grads } = tf.variableGrads(() => weightedSum(apply(input)), variables);
    variables.forEach((variable, i) => (results[`gradient of weight ${i}`] = grads[variable.name]!));
  }
  if (input.dtype === 'float32') {
    results['gradient of the input'] = tf.grad((x: tf.Tensor) => weightedSum(apply(x)))(input);
  }
  return results;
}

const sequence: InputSpec = { shape: [batch, steps, features] };
const image: InputSpec = { shape: [batch, 6, 6, 3] };
const sigmoid = { units, recurrentActivation: 'sigmoid' } as const;

const recurrent: readonly (readonly [string, () => Layer])[] = [
  ['lstm', () => tf.layers.lstm(sigmoid)],
  ['lstm, all steps', () => tf.layers.lstm({ ...sigmoid, returnSequences: true })],
  ['lstm, hard sigmoid', () => tf.layers.lstm({ units })],
  ['lstm, backwards', () => tf.layers.lstm({ ...sigmoid, goBackwards: true, returnSequences: true })],
  ['gru', () => tf.layers.gru(sigmoid)],
  ['gru, all steps', () => tf.layers.gru({ ...sigmoid, returnSequences: true })],
  [
    'bidirectional lstm',
    () =>
      tf.layers.bidirectional({ layer: tf.layers.lstm({ ...sigmoid, returnSequences: true }), mergeMode: 'concat' }),
  ],
];

/** Every kind of layer that the models use, in training mode, forward and gradient. */
export const layerCases: readonly ConformanceCase[] = [
  ...recurrent.flatMap(([name, make]) => [false, true].map((fused) => layer(name, make, sequence, { fused }))),
  layer('simpleRNN', () => tf.layers.simpleRNN({ units }), sequence),
  layer('dense', () => tf.layers.dense({ units, activation: 'relu' }), { shape: [batch, features] }),
  layer('dense over steps', () => tf.layers.dense({ units, activation: 'softmax' }), sequence),
  layer('embedding', () => tf.layers.embedding({ inputDim: 7, outputDim: 4 }), {
    shape: [batch, steps],
    low: 0,
    high: 7,
    dtype: 'int32',
  }),
  layer('conv1d', () => tf.layers.conv1d({ filters: 4, kernelSize: 3, padding: 'same' }), sequence),
  layer('conv2d', () => tf.layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu' }), image),
  layer('conv2d, stride 2', () => tf.layers.conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: 'same' }), image),
  layer('conv2dTranspose', () => tf.layers.conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2 }), image),
  layer('depthwiseConv2d', () => tf.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2 }), image),
  layer('separableConv2d', () => tf.layers.separableConv2d({ filters: 4, kernelSize: 3, padding: 'same' }), image),
  layer('batchNormalization', () => tf.layers.batchNormalization(), image, { tolerance: 2e-4 }),
  layer('layerNormalization', () => tf.layers.layerNormalization(), { shape: [batch, 8] }, { tolerance: 2e-4 }),
  layer('maxPooling2d', () => tf.layers.maxPooling2d({ poolSize: 2 }), image),
  layer('averagePooling2d', () => tf.layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }), image),
  layer('globalAveragePooling2d', () => tf.layers.globalAveragePooling2d({}), image),
  // One image: the cpu engine's gradient of a batch takes every image for the first.
  layer('upSampling2d', () => tf.layers.upSampling2d({ size: [2, 2] }), { shape: [1, 6, 6, 3] }),
  layer('leakyReLU', () => tf.layers.leakyReLU({ alpha: 0.2 }), image),
  layer('prelu', () => tf.layers.prelu(), { shape: [batch, 8] }),
];
