import * as tf from '@tensorflow/tfjs';
import { ModelError } from '../../errors.ts';
import { findImageDetails } from './image-details.ts';

/** Which of the classes that a network knows already belong to which new one. */
export type OldClasses = Readonly<Record<string, readonly string[]>>;

/**
 * Probabilities are seen at several scales, as their logarithm would show them, but in a layer that every program knows:
 * tanh(p), tanh(10 p) and tanh(100 p) tell 0.9 from 0.5, 0.1 from 0.05 and 0.01 from nothing.
 */
const SCALES = [1, 10, 100] as const;

/**
 * What the classifier that a network was pretrained with says of the new classes: of each, the probability that the old
 * classifier gives to all of its old classes together, at several scales.
 *
 *     p_c = sum of p_k over the old classes k of c,   [tanh(p_c), tanh(10 p_c), tanh(100 p_c)]
 *
 * The old classifier stays part of the network and is never trained again; both of this layer's weights are fixed.
 *
 * @param names of the new classes, in order
 * @returns [null, 3 C], C being the new classes of which something is known
 * @throws {ModelError} when the network has no classifier with named classes, or a name is none of them
 */
export function fromOldClasses(
  model: tf.LayersModel,
  names: readonly string[],
  oldClasses: OldClasses,
): tf.SymbolicTensor {
  const old = namesOf(model);
  const known = names.filter((name) => name in oldClasses);
  const kernel = new Float32Array(old.length * known.length * SCALES.length); // [K, 3 C]
  for (const [c, name] of known.entries())
    for (const k of indicesOf(model, old, oldClasses[name]!, name))
      for (const [s, scale] of SCALES.entries())
        kernel[k * known.length * SCALES.length + s * known.length + c] = scale;
  const layer = tf.layers.dense({
    units: known.length * SCALES.length,
    activation: 'tanh',
    useBias: false,
    trainable: false,
    name: 'head_old_classes',
  });
  const [probabilities] = model.outputs;
  const output = layer.apply(probabilities!) as tf.SymbolicTensor; // symbolic in, symbolic out
  tf.tidy(() => layer.setWeights([tf.tensor2d(kernel, [old.length, known.length * SCALES.length])]));
  for (const behind of layersBehind(model)) behind.trainable = false;
  return output;
}

/** @throws {ModelError} when the network does not end in probabilities of named classes */
function namesOf(model: tf.LayersModel): readonly string[] {
  const names = findImageDetails(model)?.classNames ?? [];
  const [output] = model.outputs;
  const { activation } = output!.sourceLayer.getConfig();
  const isSoftmax = activation === 'softmax' || output!.sourceLayer.getClassName() === 'Softmax';
  if (names.length > 0 && isSoftmax && output!.shape.length === 2 && output!.shape[1] === names.length) return names;
  throw new ModelError(
    `Model \`${model.name}\`: expected a classifier with a name for each output, and a softmax at its end, for \`oldClasses\`, ` +
      `got ${names.length} names for [${output!.shape.map((axis) => axis ?? 'any').join(', ')}]${isSoftmax ? '' : ' and no softmax'}. ` +
      'Name its classes with `setImageDetails(model, { classNames, … })`, or leave `oldClasses` out.',
    { model: model.name, names: names.length },
  );
}

/** Several outputs may have one name. */
function indicesOf(
  model: tf.LayersModel,
  names: readonly string[],
  wanted: readonly string[],
  newName: string,
): number[] {
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0)
    throw new ModelError(
      `Model \`${model.name}\`: expected names of its ${names.length} classes in \`oldClasses.${newName}\`, got \`${unknown.slice(0, 5).join('`, `')}\`. ` +
        'Take them from `imageDetails(model).classNames`.',
      { model: model.name, unknown },
    );
  const those = new Set(wanted);
  return [...names.keys()].filter((k) => those.has(names[k]!));
}

/** The layers of the classifier: from the output back to the first that has weights. */
function layersBehind(model: tf.LayersModel): readonly tf.layers.Layer[] {
  const found: tf.layers.Layer[] = [];
  let tensor: tf.SymbolicTensor | undefined = model.outputs[0];
  while (tensor) {
    found.push(tensor.sourceLayer);
    if (tensor.sourceLayer.weights.length > 0) return found;
    tensor = tensor.inputs[0];
  }
  return found;
}
