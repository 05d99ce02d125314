import * as tf from '@tensorflow/tfjs';
import { ModelError } from '../../errors.ts';
import { applyTo } from './cut-model.ts';
import { imageDetails, setImageDetails, type ImageDetails } from './image-details.ts';

/**
 * Puts a model's normalisation of pixels before its first layer, as a fixed 1×1 convolution,
 *
 *     y_c = scale_c (x_order(c) − mean_c),
 *
 * so that it takes pixels as they are decoded, 0 to 255 and RGB, and any program that loads it needs no code for that.
 * The layer is never trained.
 *
 * @param model with image details; it goes into the new one
 * @returns owned by the caller
 * @example
 * const bare = tf.sequential({ layers: [tf.layers.flatten({ inputShape: [8, 8, 3] })] });
 * setImageDetails(bare, { height: 8, width: 8, mean: [127.5], scale: [1 / 127.5] });
 * const takesPixels = withNormalization(bare);
 */
export function withNormalization(model: tf.LayersModel): tf.LayersModel {
  const details = imageDetails(model);
  checkSize(model, details);
  if (details.takesPixels) return model;
  const { height, width, channels } = details;
  const pixels = tf.input({ shape: [height, width, channels], name: `pixels_${(made += 1)}` });
  const layer = tf.layers.conv2d({ filters: channels, kernelSize: 1, name: 'normalize', trainable: false });
  const outputs = applyTo(model, layer.apply(pixels) as tf.SymbolicTensor); // symbolic in, symbolic out
  const normalized = tf.model({ inputs: pixels, outputs, name: model.name });
  tf.tidy(() => layer.setWeights(weightsOf(details)));
  setImageDetails(normalized, { ...details, takesPixels: true });
  model.dispose(); // its layers live on in the new one
  return normalized;
}

/** Inputs need names of their own within a process. */
let made = 0;

/** One number stands for every channel. */
const ofChannel = (values: readonly number[], c: number): number => values[values.length === 1 ? 0 : c]!;

function weightsOf({ channels, order, mean, scale }: ImageDetails): tf.Tensor[] {
  const kernel = new Float32Array(channels * channels); // [in, out]
  const bias = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    const from = order === 'bgr' ? channels - 1 - c : c;
    kernel[from * channels + c] = ofChannel(scale, c);
    bias[c] = -ofChannel(mean, c) * ofChannel(scale, c);
  }
  return [tf.tensor(kernel, [1, 1, channels, channels]), tf.tensor1d(bias)];
}

function checkSize(model: tf.LayersModel, { height, width, channels }: ImageDetails): void {
  const [, ...shape] = model.inputs[0]!.shape;
  const wanted = [height, width, channels];
  const fits = shape.length === 3 && wanted.every((size, i) => shape[i] === null || shape[i] === size);
  if (!fits)
    throw new ModelError(
      `Model \`${model.name}\`: expected an input of [${wanted.join(', ')}] as its image details say, got [${shape.map((axis) => axis ?? 'any').join(', ')}]. ` +
        'Give the height, width and channels that the model was built for.',
      { expected: wanted, got: shape },
    );
}
