import sharp from 'sharp';
import { createRng, type Rng } from '../../stream/random.ts';
import { augmentCropped, drawRectangle, type Augmentation } from '../augment/augment.ts';
import type { Picture } from '../augment/picture.ts';
import { canResize, resizePicture } from '../resize/resize-picture.ts';
import { sizeOf } from './image-size.ts';
import type { ImageOptions } from './image.ts';
import { decodeJpeg } from './jpeg-turbo.ts';

sharp.cache(false); // each image is decoded once: libvips' cache would only grow
sharp.concurrency(1); // one thread an image: several images are decoded at a time

/** How an image becomes pixels: plain data, so that it can be sent to another thread. */
export interface PixelRecipe {
  readonly image: ImageOptions;
  readonly augmentation?: (Augmentation & { readonly seed: number }) | undefined;
}

/** An image that takes longer is taken for one made to. */
const TIMEOUT_SECONDS = 60;
/** Of an image that is decoded as a whole, and of what it becomes: 3 MiB for each of those that are decoded at a time. */
const MOST_PIXELS = 2 ** 20;
/** From here on libvips has libjpeg make a JPEG smaller while it decodes it, which saves more than we do. */
const SHRUNK_BY_LIBJPEG = 3;

/**
 * Decodes an image in libvips' threads, and resizes and augments it in this one. A part of it (`resizedCrop`) is cut from the
 * whole image, before that is made small.
 *
 * libvips resizes those itself that are large, those that libjpeg can make smaller, and kinds other than JPEG and PNG. That
 * depends on the bytes and the recipe alone.
 *
 * @returns [H, W, C] pixels, owned by the caller, in memory that can be moved to another thread
 * @throws {Error} when the bytes are no whole image, or claim too many pixels
 */
export async function decodePixels(bytes: Uint8Array, { image, augmentation }: PixelRecipe): Promise<Uint8Array> {
  const { height, width, channels } = image;
  const rng = createRng(augmentation?.seed ?? 0);
  const resizedCrop = augmentation?.resizedCrop;
  const resize = isResizedHere(bytes, image, resizedCrop !== undefined) ? decodeAndResize : decodeResized;
  const data = await resize(bytes, image, resizedCrop, rng);
  if (data.length !== height * width * channels)
    throw new Error(`${data.length} bytes instead of ${height * width * channels}`);
  return augmentation ? augmentCropped({ data, height, width, channels }, augmentation, rng).data : data;
}

function isResizedHere(bytes: Uint8Array, { height, width, maxPixels }: ImageOptions, isCropped: boolean): boolean {
  const size = sizeOf(bytes);
  if (!size || !canResize || height * width > MOST_PIXELS) return false;
  const pixels = size.height * size.width;
  if (pixels > MOST_PIXELS || pixels > maxPixels) return false;
  // whichever way a camera was held; libvips shrinks no image that a part is cut from
  const shrinks = [
    [size.height, size.width],
    [size.width, size.height],
  ].map(([tall, wide]) => Math.min(tall! / height, wide! / width));
  return isCropped || Math.max(...shrinks) < SHRUNK_BY_LIBJPEG;
}

/** All but the size: turned upright, blended onto the background, in the colours asked for. */
const decoder = (bytes: Uint8Array, { channels, background, maxPixels }: ImageOptions) =>
  sharp(bytes, { failOn: 'truncated', limitInputPixels: maxPixels, pages: 1 })
    .rotate()
    .flatten({ background })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .timeout({ seconds: TIMEOUT_SECONDS })
    .raw();

type Crop = Augmentation['resizedCrop'];

async function decodeAndResize(bytes: Uint8Array, image: ImageOptions, crop: Crop, rng: Rng): Promise<Uint8Array> {
  const picture = (await decodeJpeg(bytes, image.channels)) ?? (await decode(bytes, image));
  const { height, width } = picture;
  const part = crop ? drawRectangle(picture, crop, rng) : { top: 0, left: 0, height, width };
  const background = image.fit === 'contain' && !crop ? await backgroundOf(image) : [];
  return resizePicture(picture, part, { ...image, fit: crop ? 'fill' : image.fit, background });
}

async function decode(bytes: Uint8Array, image: ImageOptions): Promise<Picture> {
  const { data, info } = await decoder(bytes, image).toBuffer({ resolveWithObject: true });
  const { height, width, channels } = info;
  if (channels !== image.channels) throw new Error(`${channels} channels instead of ${image.channels}`);
  return { data, height, width, channels };
}

async function decodeResized(bytes: Uint8Array, image: ImageOptions, crop: Crop, rng: Rng): Promise<Uint8Array> {
  const { height, width, fit, kernel, background } = image;
  const decoding = decoder(bytes, image);
  if (crop) decoding.extract(drawRectangle((await decoding.metadata()).autoOrient, crop, rng));
  const decoded = await decoding.resize({ width, height, fit: crop ? 'fill' : fit, kernel, background }).toBuffer();
  return new Uint8Array(decoded); // a copy: a thread cannot give memory of sharp's away
}

const backgrounds = new Map<string, readonly number[]>();

/** A colour's numbers, by libvips, which knows all of CSS' names. */
async function backgroundOf({ background, channels }: ImageOptions): Promise<readonly number[]> {
  const key = `${background} ${channels}`;
  const known = backgrounds.get(key);
  if (known) return known;
  const pixel = sharp({ create: { width: 1, height: 1, channels: 3, background } });
  const numbers = [
    ...(await pixel
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw()
      .toBuffer()),
  ];
  backgrounds.set(key, numbers);
  return numbers;
}
