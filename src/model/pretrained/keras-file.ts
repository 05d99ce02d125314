import { readFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs';
import StreamZip from 'node-stream-zip';
import { ModelError, firstLineOf } from '../../errors.ts';
import { readHdf5, type Hdf5 } from './hdf5.ts';
import { keras2Config, type KerasLayer } from './keras-config.ts';
import { orDispose } from './or-dispose.ts';
import type { HostTensor } from './torch-file.ts';

/**
 * Loads a whole Keras model, from `.h5` or `.keras` (Keras 3: a zip of `config.json` and `model.weights.h5`), as far as
 * tfjs' layers can express it.
 *
 * @returns owned by the caller
 * @throws {ModelError} when it is no such file, when tfjs lacks a layer, or when weights are missing or of another shape
 */
export async function loadKeras(path: string): Promise<tf.LayersModel> {
  const bytes = await readFile(path).catch((cause: unknown) => fail(path, 'a file', firstLineOf(cause), cause));
  const isZip = bytes.subarray(0, 4).toString('latin1') === 'PK\x03\x04';
  if (!isZip)
    return readHdf5(bytes, path, (file) => {
      const config = file.attribute('', 'model_config');
      if (typeof config !== 'string') return fail(path, 'a whole model (`model.save(…)`)', 'weights alone');
      return load(path, config, () => (layer) => namedWeights(file, layer.name, 'model_weights'));
    });
  const { config, weights } = await unzip(path);
  return readHdf5(weights, path, (file) => load(path, config, (layers) => numberedWeights(file, layers)));
}

async function unzip(path: string): Promise<{ config: string; weights: Buffer }> {
  const zip = new StreamZip.async({ file: path });
  try {
    const config = await zip.entryData('config.json');
    return { config: config.toString('utf8'), weights: await zip.entryData('model.weights.h5') };
  } catch (cause) {
    return fail(path, 'a zip of `config.json` and `model.weights.h5`', firstLineOf(cause), cause);
  } finally {
    await zip.close().catch(() => {}); // what was never open fails to close, too
  }
}

/** The tensors of a layer, in Keras' order, which is tfjs' too. */
type WeightsOf = (layer: tf.layers.Layer) => readonly HostTensor[];

async function load(
  path: string,
  json: string,
  weights: (layers: readonly KerasLayer[]) => WeightsOf,
): Promise<tf.LayersModel> {
  let model: tf.LayersModel;
  let layers: readonly KerasLayer[];
  try {
    const { config, ...rest } = keras2Config(JSON.parse(json));
    layers = rest.layers;
    model = await tf.models.modelFromJSON({ modelTopology: { model_config: config } } as unknown as ModelJson);
  } catch (cause) {
    return fail(path, 'a model of layers that tfjs has', firstLineOf(cause), cause);
  }
  await orDispose(model, () => takeWeights(model, path, weights(layers)));
  return model;
}

type ModelJson = Parameters<typeof tf.models.modelFromJSON>[0];

/**
 * Puts tensors into a model's layers.
 * @throws {ModelError} when a layer's are missing or of other shapes
 */
export function takeWeights(model: tf.LayersModel, where: string, weightsOf: WeightsOf): void {
  for (const layer of model.layers) {
    if (layer.weights.length === 0) continue;
    const tensors = weightsOf(layer);
    const [wanted, got] = [layer.weights.map(({ shape }) => shape.join()), tensors.map(({ shape }) => shape.join())];
    if (wanted.join(' ') !== got.join(' '))
      fail(
        where,
        `weights of shapes [${wanted.join('], [')}] for layer \`${layer.name}\``,
        got.length === 0 ? 'none' : `[${got.join('], [')}]`,
      );
    tf.tidy(() => layer.setWeights(tensors.map(({ data, shape }) => tf.tensor(data, [...shape]))));
  }
}

/** Keras 1 and 2: a layer's group names its weights in order. @param within the group that holds the layers' */
export function namedWeights(file: Hdf5, layer: string, within: string): HostTensor[] {
  const group = within === '' ? layer : `${within}/${layer}`;
  const names = file.attribute(group, 'weight_names');
  if (!Array.isArray(names)) return [];
  return names.map((name) => file.tensors.get(`${group}/${String(name)}`)).filter((tensor) => tensor !== undefined);
}

/** Keras 3: a layer's group has the name of its class, counted in the order of the configuration; weights are numbered. */
function numberedWeights(file: Hdf5, layers: readonly KerasLayer[]): WeightsOf {
  const counts = new Map<string, number>();
  const groups = new Map<string, string>();
  for (const { name, className } of layers) {
    const kind = snake(className);
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    groups.set(name, `layers/${count === 0 ? kind : `${kind}_${count}`}`);
  }
  const numbered = (prefix: string): HostTensor[] => {
    const found: HostTensor[] = [];
    for (let tensor = file.tensors.get(`${prefix}/0`); tensor; tensor = file.tensors.get(`${prefix}/${found.length}`))
      found.push(tensor);
    return found;
  };
  return ({ name }) => {
    const group = groups.get(name) ?? '';
    const own = numbered(`${group}/vars`);
    return own.length > 0 ? own : numbered(`${group}/cell/vars`);
  };
}

/** `BatchNormalization` -> `batch_normalization`, `Conv2D` -> `conv2d`: Keras' own rule. */
const snake = (name: string): string =>
  name
    .replaceAll(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();

function fail(where: string, expected: string, got: string, cause?: unknown): never {
  throw new ModelError(
    `${where}: expected ${expected}, got ${got}. Check the file, or convert the model where it was made.`,
    { file: where, expected, got },
    { cause },
  );
}
