import type * as tf from '@tensorflow/tfjs';

/**
 * Makes the batch normalisations of a model use and keep the statistics that they have, in training as in inference:
 * what a few minibatches of few samples, drawn by importance at that, would put in their place is worse than what the
 * network was pretrained with, and would differ from what scores are computed with. Their scales and offsets train on.
 *
 * @returns puts things back
 * @example
 * const thaw = freezeStatistics(model);
 * thaw();
 */
export function freezeStatistics(model: tf.LayersModel): () => void {
  const frozen = model.layers.filter((layer) => layer.getClassName() === 'BatchNormalization');
  for (const layer of frozen) {
    const call = layer.call.bind(layer);
    // On the instance: a class of its own would change the name that the saved model carries.
    layer.call = (inputs, kwargs: Record<string, unknown>) => call(inputs, { ...kwargs, training: false });
  }
  return () => {
    // oxlint-disable-next-line typescript/no-dynamic-delete -- uncovers the class' own method
    for (const layer of frozen) Reflect.deleteProperty(layer, 'call');
  };
}
