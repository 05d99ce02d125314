import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { ModelError } from '../../errors.ts';
import { parseOptions, Seed } from '../../options.ts';
import { deriveSeed } from '../../stream/random.ts';
import { SeededDropout } from '../dropout.ts';
import { outputOf } from './cut-model.ts';
import { findImageDetails, setImageDetails } from './image-details.ts';
import { fromOldClasses, type OldClasses } from './old-classes.ts';

const OptionsOfHead = z.strictObject({
  /** The classes: their names, or how many there are. */
  classes: z.union([z.array(z.string().min(1)).min(2), z.int().min(2)]),
  /** Share of the features that are dropped in training, in [0, 1). @default 0.2 – EfficientNet-Lite0's own */
  dropout: z.number().min(0).lt(1).default(0.2),
  /**
   * The layer whose output the head stands on; or several, of which each is pooled, normalised picture by picture, and put
   * beside the others. @default what the model's image details say, or what its last layer with weights takes
   */
  features: z.union([z.string().min(1), z.array(z.string().min(1)).min(2)]).optional(),
  /**
   * For each new class of which the network knows something, the names of the classes that it was pretrained on and that
   * belong to it: the head then stands on what the old classifier says of them, too. @default nothing
   */
  oldClasses: z.record(z.string().min(1), z.array(z.string().min(1)).min(1).readonly()).optional(),
  /** Base of the head's first weights and of the dropout. @default 0 */
  seed: Seed.default(0),
});

export const HeadOptions = OptionsOfHead.superRefine(({ classes, oldClasses }, context) => {
  const names = typeof classes === 'number' ? [] : classes;
  const unknown = Object.keys(oldClasses ?? {}).filter((name) => !names.includes(name));
  if (oldClasses && (unknown.length > 0 || Object.keys(oldClasses).length === 0))
    context.addIssue({
      code: 'custom',
      path: ['oldClasses'],
      message: `must be of some of the new classes, which must have names: expected \`${names.join('`, `') || 'names in `classes`'}\`, got \`${unknown.join('`, `')}\``,
    });
});

/** Length of what layers of several depths come to together. Half of that of EfficientNet-Lite0's features; of 1, 8 and 40 the best on Tux Paint's stamps. */
const LENGTH = 8;
/** Length of what the old classifier says. Of ¼, ½ and the whole of `LENGTH` the best on Tux Paint's stamps, if not by much. */
const OLD_LENGTH = LENGTH / 2;

/**
 * Puts a new classifier onto a pretrained network: average pooling where the features are still maps, dropout, and one
 * dense softmax layer named `head`. The layers of the old classifier are disposed.
 *
 * Layers before the last know what a network that was trained to tell breeds of dogs has thrown away by its end: a head
 * on several of them does better on pictures that are little like those of its training (Evci, Dumoulin, Larochelle &
 * Mozer 2022, "Head2Toe", arXiv:2201.03529). The opposite helps as well: of many a new class the old classifier knows
 * examples, and `oldClasses` tells it which (`{ animals: ['hen', 'tabby cat'] }`).
 *
 * @param model taken over: use what is returned in its place
 * @returns owned by the caller; not compiled yet
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {ModelError} when there is no such layer, or no such old class
 * @example
 * const model = withHead(await pretrained('efficientnet-lite0'), { classes: ['cat', 'dog'], seed: 7 });
 */
export function withHead(model: tf.LayersModel, options: z.input<typeof HeadOptions>): tf.LayersModel {
  const { classes, dropout, seed, ...rest } = parseOptions('withHead()', HeadOptions, options);
  const details = findImageDetails(model);
  const units = typeof classes === 'number' ? classes : classes.length;
  const names = typeof classes === 'number' ? [] : classes;
  const old = rest.oldClasses && { names, oldClasses: rest.oldClasses };
  let x = featuresOf(model, rest.features ?? details?.features, old);
  const features = x.sourceLayer.name;
  if (dropout > 0) x = apply(new SeededDropout({ name: 'head_dropout', rate: dropout, seed }), x);
  const kernelInitializer = tf.initializers.glorotUniform({ seed: deriveSeed(seed, 'head') % 2 ** 31 });
  x = apply(tf.layers.dense({ units, activation: 'softmax', name: 'head', kernelInitializer }), x);
  const made = tf.model({ inputs: model.inputs, outputs: x, name: model.name });
  disposeOthers(model, made);
  if (details) {
    const { classNames: _old, ...kept } = details;
    setImageDetails(made, { ...kept, features, ...(typeof classes !== 'number' && { classNames: classes }) });
  }
  return made;
}

const apply = (layer: tf.layers.Layer, x: tf.SymbolicTensor) => layer.apply(x) as tf.SymbolicTensor; // one output

interface Old {
  readonly names: readonly string[];
  readonly oldClasses: OldClasses;
}

function featuresOf(
  model: tf.LayersModel,
  named: string | readonly string[] | undefined,
  old: Old | undefined,
): tf.SymbolicTensor {
  if (!old && named === undefined) return pooled(beforeLastWeights(model), 'head_pool');
  if (!old && typeof named === 'string') return pooled(outputOf(model, named), 'head_pool');
  const layers = [named ?? beforeLastWeights(model).sourceLayer.name].flat();
  const depths = layers.map((name) => pooled(outputOf(model, name), `head_pool_${name}`));
  const width = depths.reduce((sum, { shape }) => sum + (shape.at(-1) ?? 0), 0);
  const alike = depths.map((depth, i) => normalized(depth, `head_norm_${layers[i]}`, LENGTH / Math.sqrt(width)));
  if (old) {
    const known = fromOldClasses(model, old.names, old.oldClasses);
    alike.push(normalized(known, 'head_norm_old_classes', OLD_LENGTH / Math.sqrt(known.shape[1]!)));
  }
  return tf.layers.concatenate({ name: 'head_features' }).apply(alike) as tf.SymbolicTensor; // symbolic in, symbolic out
}

/** @param gamma length of each number after the normalisation, at first */
const normalized = (x: tf.SymbolicTensor, name: string, gamma: number) =>
  apply(tf.layers.layerNormalization({ name, gammaInitializer: tf.initializers.constant({ value: gamma }) }), x);

/** Averages maps over the picture; leaves vectors as they are. */
const pooled = (x: tf.SymbolicTensor, name: string): tf.SymbolicTensor =>
  x.shape.length === 4 ? apply(tf.layers.globalAveragePooling2d({ name, dataFormat: 'channelsLast' }), x) : x;

/** What the last layer with weights takes. */
function beforeLastWeights(model: tf.LayersModel): tf.SymbolicTensor {
  let tensor = model.outputs[0]!;
  while (tensor.inputs.length === 1 && tensor.sourceLayer.weights.length === 0) tensor = tensor.inputs[0]!;
  const before = tensor.inputs[0];
  if (before && tensor.inputs.length === 1 && model.outputs.length === 1) return before;
  throw new ModelError(
    `Model \`${model.name}\`: expected one output that ends in a layer with weights, got another form. Name the layer with \`features\`.`,
  );
}

/** Disposes the layers of the old model that the new one does not use. */
function disposeOthers(old: tf.LayersModel, made: tf.LayersModel): void {
  const used = new Set(made.layers);
  for (const layer of old.layers) if (!used.has(layer) && layer.weights.length > 0) layer.dispose();
}
