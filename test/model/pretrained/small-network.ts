import * as tf from '@tensorflow/tfjs';
import { setImageDetails } from '../../../src/model/pretrained/image-details.ts';

/** A network in the form of the pretrained ones: normalised convolutions, a shortcut, features [6], five classes. */
export function smallNetwork(): tf.LayersModel {
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  const apply = (layer: tf.layers.Layer, x: tf.SymbolicTensor | tf.SymbolicTensor[]) =>
    layer.apply(x) as tf.SymbolicTensor;
  const conv = (x: tf.SymbolicTensor, name: string, filters: number, seed: number) =>
    apply(
      tf.layers.conv2d({
        filters,
        kernelSize: 3,
        padding: 'same',
        useBias: false,
        name,
        kernelInitializer: seeded(seed),
      }),
      x,
    );
  const norm = (x: tf.SymbolicTensor, name: string, seed: number) =>
    apply(
      tf.layers.batchNormalization({
        name,
        betaInitializer: tf.initializers.randomNormal({ seed, stddev: 0.3 }),
        movingMeanInitializer: tf.initializers.randomNormal({ seed: seed + 1, stddev: 0.3 }),
      }),
      x,
    );
  const image = tf.input({ shape: [8, 8, 3] });
  const stem = apply(tf.layers.reLU({ name: 'stem' }), norm(conv(image, 'stem_conv', 4, 1), 'stem_norm', 11));
  const first = norm(conv(stem, 'block_0_conv', 6, 2), 'block_0', 12);
  const inner = norm(conv(first, 'block_1_conv', 6, 3), 'block_1_norm', 13);
  const second = apply(tf.layers.add({ name: 'block_1' }), [inner, first]);
  const features = apply(tf.layers.globalAveragePooling2d({ name: 'features', dataFormat: 'channelsLast' }), second);
  const classes = tf.layers.dense({ units: 5, activation: 'softmax', name: 'classes', kernelInitializer: seeded(4) });
  const model = tf.model({ inputs: image, outputs: apply(classes, features), name: 'small' });
  const blocks = ['stem', 'block_0', 'block_1'];
  setImageDetails(model, { height: 8, width: 8, blocks, features: 'features', mean: [127], scale: [1 / 64] });
  return model;
}
