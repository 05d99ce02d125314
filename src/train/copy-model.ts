import * as tf from '@tensorflow/tfjs';
import { ModelError, messageOf } from '../errors.ts';
import { compiledParts } from '../model/compiled.ts';

/**
 * A model of the same layers and weights, compiled with the same loss and an optimizer of the same configuration.
 * @returns owned by the caller
 * @throws {ModelError} when the model cannot be written down, because of a layer that is not registered
 */
export async function copyModel(model: tf.LayersModel): Promise<tf.LayersModel> {
  let copy: tf.LayersModel;
  try {
    // `toJSON` may give a text or an object; `false` asks for an object, which tfjs declares as a text.
    const topology = model.toJSON(null, false) as unknown;
    copy = await tf.models.modelFromJSON({ modelTopology: topology } as Parameters<typeof tf.models.modelFromJSON>[0]);
  } catch (cause) {
    throw new ModelError(
      `Model \`${model.name}\`: cannot be copied: ${messageOf(cause)}. ` +
        'Register its layers with tf.serialization.registerClass, or hand over a model trained before.',
      {},
      { cause },
    );
  }
  copy.setWeights(model.getWeights());
  const { loss } = compiledParts(model);
  const optimizers = model.optimizer.constructor as tf.serialization.SerializableConstructor<tf.Optimizer>;
  const optimizer = optimizers.fromConfig(optimizers, model.optimizer.getConfig());
  copy.compile({ optimizer, loss: loss as string }); // whatever it was compiled with
  return copy;
}
