import type * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { ModelError } from '../../errors.ts';
import { parseOptions } from '../../options.ts';

const numbers = z.array(z.number()).min(1).max(3);

/** Whether there is a number for each channel, or one for all: a channel without one would be NaN. */
const fitsChannels = (values: readonly number[], channels: number) => [1, channels].includes(values.length);
const channelsReason = 'must be one number, or one a channel';

/** What must be known of an image classifier to use it, beside its layers. Kept in the model's own file. */
export const ImageDetails = z
  .strictObject({
    /** Pixels from top to bottom that the network takes. */
    height: z.int().min(1),
    /** Pixels from left to right. */
    width: z.int().min(1),
    /** 3 for colours, 1 for grey. @default 3 */
    channels: z.union([z.literal(1), z.literal(3)]).default(3),
    /** Whether an image of another form is cropped at its centre, padded, or stretched. @default 'cover' */
    fit: z.enum(['cover', 'contain', 'fill']).default('cover'),
    /** How pixels are weighed when a picture's size is changed. @default 'lanczos3' */
    kernel: z.enum(['linear', 'cubic', 'lanczos3']).default('lanczos3'),
    /** What shows through transparent pixels, and pads. @default '#ffffff' */
    background: z.string().default('#ffffff'),
    /** In which order the network was trained to take the channels. @default 'rgb' */
    order: z.enum(['rgb', 'bgr']).default('rgb'),
    /** Taken off each pixel (0 to 255) first, a number a channel in the network's order or one for all. @default 0 */
    mean: numbers.default([0]),
    /** What a pixel is multiplied by then, likewise. @default 1 */
    scale: numbers.default([1]),
    /** Whether the model's first layer does all this itself, so that it takes pixels as they are decoded. @default false */
    takesPixels: z.boolean().default(false),
    /** Names of the classes, in the order of the outputs. */
    classNames: z.array(z.string()).min(1).optional(),
    /** The layer whose output a new head stands on. @default what the last layer with weights takes */
    features: z.string().optional(),
    /** Layers at which the network may be cut, from the first to the last: each ends a block. */
    blocks: z.array(z.string()).optional(),
  })
  .refine((o) => fitsChannels(o.mean, o.channels), { path: ['mean'], error: channelsReason })
  .refine((o) => fitsChannels(o.scale, o.channels), { path: ['scale'], error: channelsReason });
export type ImageDetails = z.output<typeof ImageDetails>;
export type ImageDetailsInput = z.input<typeof ImageDetails>;

/**
 * Writes image details into a model, where `saveModel` and tfjs' own `save` find them.
 * @throws {OptionsError} when a detail is unknown or out of range
 * @example setImageDetails(model, { height: 224, width: 224, mean: [127.5], scale: [1 / 127.5], classNames: ['cat', 'dog'] });
 */
export function setImageDetails(model: tf.LayersModel, details: ImageDetailsInput): void {
  const checked = parseOptions('setImageDetails()', ImageDetails, details);
  const plain = JSON.parse(JSON.stringify(checked)) as object; // tfjs takes no undefined
  model.setUserDefinedMetadata({ ...metadataOf(model), image: plain });
}

/** The image details of a model, if it has any. */
export function findImageDetails(model: tf.LayersModel): ImageDetails | undefined {
  const parsed = ImageDetails.safeParse(metadataOf(model)['image']);
  return parsed.success ? parsed.data : undefined;
}

/**
 * The image details of a model.
 * @throws {ModelError} when it has none
 * @example
 * setImageDetails(model, { height: 224, width: 224 });
 * const { height, classNames = [] } = imageDetails(model);
 */
export function imageDetails(model: tf.LayersModel): ImageDetails {
  const details = findImageDetails(model);
  if (details) return details;
  throw new ModelError(
    `Model \`${model.name}\`: expected details of its images (size, mean, scale, classes) in its file, got none. ` +
      'Open it with `openModel(path, { image: { height, width, … } })`, or set them with `setImageDetails`.',
    { model: model.name },
  );
}

const metadataOf = (model: tf.LayersModel): Record<string, unknown> => ({ ...model.getUserDefinedMetadata() });
