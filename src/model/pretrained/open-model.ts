import * as tf from '@tensorflow/tfjs';
import { ModelError, firstLineOf } from '../../errors.ts';
import { loadModel } from '../files.ts';
import { setImageDetails, type ImageDetailsInput } from './image-details.ts';
import { loadKeras } from './keras-file.ts';
import { withNormalization } from './normalization.ts';
import { orDispose } from './or-dispose.ts';

export interface OpenModelOptions {
  /**
   * How the model takes pictures, for one whose file does not say so. Mean, scale and order of channels become its first
   * layer, so that it takes pixels.
   */
  readonly image?: ImageDetailsInput;
}

/**
 * Opens a layers model from wherever it is: a folder in tfjs' format, a URL of its `model.json`, or a Keras file (`.h5`,
 * `.keras`) of layers that tfjs has.
 *
 * @returns owned by the caller
 * @throws {ModelError} when there is none, it is damaged, has layers that tfjs lacks, or another input size than `image` says
 * @example
 * const network = await openModel('mobilenet.h5', { image: { height: 224, width: 224, mean: [127.5], scale: [1 / 127.5] } });
 */
export async function openModel(source: string, options: OpenModelOptions = {}): Promise<tf.LayersModel> {
  const model = await open(source);
  const { image } = options;
  if (!image) return model;
  return orDispose(model, () => {
    setImageDetails(model, image);
    return withNormalization(model);
  });
}

async function open(source: string): Promise<tf.LayersModel> {
  if (/^https?:\/\//.test(source)) return fromUrl(source);
  return /\.(h5|hdf5|keras)$/i.test(source) ? loadKeras(source) : loadModel(source);
}

async function fromUrl(url: string): Promise<tf.LayersModel> {
  try {
    return await tf.loadLayersModel(url);
  } catch (cause) {
    const reason = firstLineOf(cause);
    throw new ModelError(
      `${url}: expected a model in tfjs layers format, got ${reason}. Give the address of its \`model.json\`.`,
      { url },
      { cause },
    );
  }
}
