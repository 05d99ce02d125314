import { z } from 'zod';
import { CorpusError } from '../../errors.ts';
import { createRng, type Rng } from '../../stream/random.ts';
import type { ColumnSpec } from '../../stream/columns.ts';
import { flipped, moved, stretched, type Picture, type Rectangle } from './picture.ts';
import { jittered, MOST_MAGNITUDE, randAugmented } from './rand-augment.ts';

const share = z.number().min(0).max(1);
const between = (lowest: number, highest: number) =>
  z
    .tuple([z.number().gt(0).max(100), z.number().gt(0).max(100)])
    .refine(([from, to]) => from <= to, { error: 'must be the lower bound, then the upper one' })
    .default([lowest, highest]);

/** What is done to pictures, in this order; each part is left out unless it is named. */
export const AugmentOptions = z
  .strictObject({
    /** Takes a rectangle of a drawn area and form, and resizes it to the whole. */
    resizedCrop: z
      .strictObject({
        /** Area of the rectangle, as a share of the picture's. @default [0.08, 1] – torchvision, Inception */
        scale: between(0.08, 1).refine(([, to]) => to <= 1, { error: 'must be at most 1: the whole picture' }),
        /** Width by height. @default [3/4, 4/3] – torchvision, Inception */
        ratio: between(3 / 4, 4 / 3),
      })
      .optional(),
    /** Pads the picture, and takes a part of its own size from a drawn place: 4 for CIFAR, as in the paper. */
    crop: z.strictObject({ padding: z.int().min(1).max(4096) }).optional(),
    /** Probability of mirroring left and right. @default 0 */
    flip: share.default(0),
    /** Draws some of 14 operations, all of one strength (RandAugment). */
    randAugment: z
      .strictObject({
        /** Operations on each picture. @default 2 – torchvision */
        count: z.int().min(1).max(14).default(2),
        /** Strength, from 0 to 30. @default 9 – torchvision */
        magnitude: z.number().min(0).max(MOST_MAGNITUDE).default(9),
      })
      .optional(),
    /** Changes colours by factors from [1 - amount, 1 + amount], in a drawn order. Amounts are 0 unless named. */
    jitter: z
      .strictObject({ brightness: share.default(0), contrast: share.default(0), saturation: share.default(0) })
      .optional(),
    /** Value (0…255) of all channels where a picture was padded, moved or turned away. @default 0 */
    fill: z.int().min(0).max(255).default(0),
  })
  .refine((o) => !(o.crop && o.resizedCrop), {
    path: ['crop'],
    error: 'and `resizedCrop` are two ways of choosing a part of the picture: give one',
  });
export type AugmentOptions = z.input<typeof AugmentOptions>;
/** Augmentation with its defaults filled in: what `AugmentOptions.parse` gives. */
export type Augmentation = z.output<typeof AugmentOptions>;

/** A pass over a corpus: with a sample's id all that its augmentation depends on. */
export interface Pass {
  /** Of the stream. */
  readonly seed: number;
  readonly epoch: number;
}

/** The random numbers of one sample in one epoch: the same in a resumed run and whichever thread draws them. */
export const augmentRng = ({ seed, epoch }: Pass, id: string): Rng => createRng(seed, 'augment', epoch, id);

/**
 * Augments pixels. A pure function of the pixels, the options and the state of `rng`.
 *
 * @param shape [H, W, C], with C 1 or 3
 * @returns [H, W, C], owned by the caller, or `pixels` itself where nothing was drawn to be changed
 * @example
 * const augmentation = AugmentOptions.parse({ crop: { padding: 4 }, flip: 0.5 });
 * const changed = augmentPixels(pixels, [32, 32, 3], augmentation, augmentRng({ seed: 7, epoch: 2 }, 'train:17'));
 */
export function augmentPixels(
  pixels: Uint8Array,
  shape: readonly number[],
  augmentation: Augmentation,
  rng: Rng,
): Uint8Array {
  const [height = 0, width = 0, channels = 0] = shape;
  const picture: Picture = { data: pixels, height, width, channels };
  const { resizedCrop } = augmentation;
  const cropped = resizedCrop ? stretched(picture, drawRectangle(picture, resizedCrop, rng)) : picture;
  return augmentCropped(cropped, augmentation, rng).data;
}

/** All but `resizedCrop`, which is best done on the whole picture before it is made small. */
export function augmentCropped(picture: Picture, augmentation: Augmentation, rng: Rng): Picture {
  const { crop, flip, randAugment, jitter, fill } = augmentation;
  let result = picture;
  if (crop) {
    const draw = () => crop.padding - rng.integer(2 * crop.padding + 1);
    result = moved(result, draw(), draw(), fill);
  }
  if (flip > 0 && rng.uniform() < flip) result = flipped(result);
  if (randAugment) result = randAugmented(result, { ...randAugment, fill }, rng);
  return jitter ? jittered(result, jitter, rng) : result;
}

const ATTEMPTS = 10;

/** Draws a rectangle as torchvision does: ten attempts, then the largest one in the middle whose form is allowed. */
export function drawRectangle(
  { height, width }: { readonly height: number; readonly width: number },
  { scale, ratio }: NonNullable<Augmentation['resizedCrop']>,
  rng: Rng,
): Rectangle {
  const [thin, wide] = [Math.log(ratio[0]), Math.log(ratio[1])];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = height * width * (scale[0] + rng.uniform() * (scale[1] - scale[0]));
    const form = Math.exp(thin + rng.uniform() * (wide - thin));
    const [w, h] = [Math.round(Math.sqrt(area * form)), Math.round(Math.sqrt(area / form))];
    if (w < 1 || h < 1 || w > width || h > height) continue;
    return { top: rng.integer(height - h + 1), left: rng.integer(width - w + 1), height: h, width: w };
  }
  const form = Math.min(ratio[1], Math.max(ratio[0], width / height));
  const w = Math.max(1, Math.min(width, Math.round(height * form)));
  const h = Math.max(1, Math.min(height, Math.round(width / form)));
  return { top: (height - h) >> 1, left: (width - w) >> 1, height: h, width: w };
}

/** @throws {CorpusError} when a column holds no pictures that can be augmented */
export function expectPictures(where: string, spec: ColumnSpec | undefined): void {
  const [height = 0, width = 0, channels = 0] = spec?.shape ?? [];
  if (
    spec?.type === 'uint8' &&
    spec.shape.length === 3 &&
    height > 0 &&
    width > 0 &&
    (channels === 1 || channels === 3)
  )
    return;
  throw new CorpusError(
    `${where}: expected pictures in \`x\` (uint8 [H, W, 1 or 3]) for \`augment\`, got ${spec ? `${spec.type} [${spec.shape.join(', ')}]` : 'no such column'}. ` +
      'Leave `augment` out, or keep pixels as uint8.',
    { got: spec },
  );
}
