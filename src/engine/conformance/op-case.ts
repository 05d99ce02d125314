import * as tf from '@tensorflow/tfjs';
import {
  type ConformanceCase,
  finiteDifference,
  type InputSpec,
  inputTensor,
  read,
  slope,
  type Tensors,
  weightedSum,
} from './case.ts';

type Inputs = Readonly<Record<string, InputSpec>>;
/** The tensors of the inputs above, under the same names. */
type Given<Names extends string> = Readonly<Record<Names, tf.Tensor>>;

const defaultTolerance = 2e-5;

interface OpOptions {
  readonly tolerance?: number;
  /** Whether the op has a gradient by its float32 inputs. */
  readonly gradient?: boolean;
}

/** An op's outputs, and the gradients of a weighted sum of them by each float32 input. */
export function op<const Names extends string>(
  name: string,
  inputs: Readonly<Record<Names, InputSpec>>,
  compute: (given: Given<Names>) => tf.Tensor | readonly tf.Tensor[],
  { tolerance = defaultTolerance, gradient = true }: OpOptions = {},
): ConformanceCase {
  return {
    group: 'op',
    name,
    tolerance,
    against: 'cpu',
    compute: () => read(tf.tidy(() => outputsAndGradients(name, inputs, compute, gradient))),
  };
}

/** How far along a direction the loss is looked at. */
const distance = 2e-3;

function outputsAndGradients<Names extends string>(
  name: string,
  inputs: Inputs,
  compute: (given: Given<Names>) => tf.Tensor | readonly tf.Tensor[],
  hasGradient: boolean,
): Tensors {
  const given = Object.fromEntries(
    Object.entries(inputs).map(([key, spec]) => [key, inputTensor(spec, `${name} ${key}`)]),
  );
  // the names are those of `inputs`
  const outputs = (tensors: Tensors) => [compute(tensors as Given<Names>)].flat();
  const results: Tensors = Object.fromEntries(outputs(given).map((each, i) => [`output ${i}`, each.clone()]));
  if (!hasGradient) return results;
  const floats = Object.entries(given).filter(([, tensor]) => tensor.dtype === 'float32');
  const at = floats.map(([, tensor]) => tensor);
  const loss = (...tensors: tf.Tensor[]) =>
    weightedSum(outputs({ ...given, ...Object.fromEntries(floats.map(([key], i) => [key, tensors[i]!])) }));
  const gradients = tf.grads(loss)(at);
  floats.forEach(([key], i) => (results[`gradient of ${key}`] = gradients[i]!));
  return { ...results, ...slopes(name, loss, at, gradients) };
}

/** The loss' slope in one direction, by its gradient and by a central difference. */
function slopes(
  name: string,
  loss: (...tensors: tf.Tensor[]) => tf.Scalar,
  at: readonly tf.Tensor[],
  gradients: readonly tf.Tensor[],
): Tensors {
  const direction = at.map(({ shape }, i) => inputTensor({ shape }, `${name} direction ${i}`));
  const along = (length: number) => loss(...at.map((tensor, i) => tensor.add(direction[i]!.mul(length))));
  return {
    [slope]: gradients.map((each, i) => each.mul(direction[i]!).sum()).reduce((sum, each) => sum.add(each)),
    [finiteDifference]: along(distance)
      .sub(along(-distance))
      .div(2 * distance),
  };
}
