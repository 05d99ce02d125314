import type * as tf from '@tensorflow/tfjs';

/** A model's trainable weights, by the names that they are saved under. */
export const trainableVariables = (model: tf.LayersModel): { name: string; variable: tf.Variable }[] =>
  model.trainableWeights.map((weight) => ({ name: weight.originalName, variable: weight.read() as tf.Variable }));
