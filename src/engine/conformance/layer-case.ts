import * as tf from '@tensorflow/tfjs';
import { fuse } from '../layers/fuse.ts';
import {
  type ConformanceCase,
  inputTensor,
  type InputSpec,
  read,
  type Readings,
  type Tensors,
  weightedSum,
} from './case.ts';

export type Layer = tf.LayersModel['layers'][number];

interface LayerOptions {
  /** Whether the model is made fast first. */
  readonly fused?: boolean;
  readonly tolerance?: number;
}

/** A layer's outputs in training mode, and the gradients of a weighted sum of them by its input and weights. */
export const layer = (name: string, make: () => Layer, input: InputSpec, options: LayerOptions = {}): ConformanceCase =>
  graph(name, [input], ([x]) => make().apply(x!), options);

/** The same for layers in a graph, of which `build` gives the outputs. */
export function graph(
  name: string,
  inputs: readonly InputSpec[],
  build: (x: tf.SymbolicTensor[]) => ReturnType<Layer['apply']>,
  { fused = false, tolerance = 5e-5 }: LayerOptions = {},
): ConformanceCase {
  const compute = (fast: boolean): Promise<Readings> => {
    const x = inputs.map(({ shape, dtype = 'float32' }) => tf.input({ shape: shape.slice(1), dtype }));
    // symbols went in, so symbols come out
    const model = tf.model({ inputs: x, outputs: build(x) as tf.SymbolicTensor | tf.SymbolicTensor[] });
    if (fast) fuse(model);
    setWeights(model, name);
    const results = tf.tidy(() => outputsAndGradients(model, inputs, name));
    model.dispose();
    return read(results);
  };
  return {
    group: 'layer',
    name: fused ? `${name}, fused` : name,
    tolerance,
    against: 'cpu',
    compute: () => compute(fused),
    ...(fused && { reference: () => compute(false) }),
  };
}

/** Gives a model's weights the same numbers on every engine; the initialisers would draw them on the engine. */
function setWeights(model: tf.LayersModel, name: string): void {
  tf.tidy(() => {
    const weights = model
      .getWeights()
      .map(({ shape }, i) => inputTensor({ shape, low: -0.5, high: 0.5 }, `${name} ${i}`));
    model.setWeights(weights);
  });
}

function outputsAndGradients(model: tf.LayersModel, specs: readonly InputSpec[], name: string): Tensors {
  const inputs = specs.map((spec, i) => inputTensor(spec, `${name} input${i === 0 ? '' : ` ${i}`}`));
  const apply = (x: tf.Tensor[]) => [model.apply(x, { training: true })].flat().filter((y) => y instanceof tf.Tensor);
  const results: Tensors = Object.fromEntries(apply(inputs).map((output, i) => [`output ${i}`, output]));
  const variables = model.trainableWeights
    .map((weight) => weight.read())
    .filter((weight) => weight instanceof tf.Variable);
  if (variables.length > 0) {
    const { grads } = tf.variableGrads(() => weightedSum(apply(inputs)), variables);
    variables.forEach((variable, i) => (results[`gradient of weight ${i}`] = grads[variable.name]!));
  }
  if (inputs.every(({ dtype }) => dtype === 'float32')) {
    const gradients = tf.grads((...x: tf.Tensor[]) => weightedSum(apply(x)))(inputs);
    gradients.forEach((gradient, i) => (results[`gradient of input ${i}`] = gradient));
  }
  return results;
}
