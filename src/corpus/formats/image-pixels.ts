import sharp from 'sharp';
import { createRng } from '../../stream/random.ts';
import { augmentCropped, drawRectangle, type Augmentation } from '../augment/augment.ts';
import type { ImageOptions } from './image.ts';

sharp.cache(false); // each image is decoded once: libvips' cache would only grow
sharp.concurrency(1); // one thread an image: several images are decoded at a time

/** How an image becomes pixels: plain data, so that it can be sent to another thread. */
export interface PixelRecipe {
  readonly image: ImageOptions;
  readonly augmentation?: (Augmentation & { readonly seed: number }) | undefined;
}

/** An image that takes longer is taken for one made to. */
const TIMEOUT_SECONDS = 60;

/**
 * Decodes an image in libvips' threads, and augments it in this one. A part of it (`resizedCrop`) is cut from the whole
 * image, before that is made small.
 *
 * @returns [H, W, C] pixels, owned by the caller; augmented ones in memory that can be moved to another thread
 * @throws {Error} when the bytes are no whole image, or claim too many pixels
 */
export async function decodePixels(bytes: Uint8Array, { image, augmentation }: PixelRecipe): Promise<Uint8Array> {
  const { height, width, channels, kernel, background, maxPixels } = image;
  const decoding = sharp(bytes, { failOn: 'truncated', limitInputPixels: maxPixels, pages: 1 }).rotate();
  const rng = createRng(augmentation?.seed ?? 0);
  const resizedCrop = augmentation?.resizedCrop;
  if (resizedCrop) decoding.extract(drawRectangle((await decoding.metadata()).autoOrient, resizedCrop, rng));
  const decoded = await decoding
    .resize({ width, height, fit: resizedCrop ? 'fill' : image.fit, kernel, background })
    .flatten({ background })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .timeout({ seconds: TIMEOUT_SECONDS })
    .raw()
    .toBuffer();
  if (decoded.length !== height * width * channels)
    throw new Error(`${decoded.length} bytes instead of ${height * width * channels}`);
  const data = new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.length);
  if (!augmentation) return data;
  const augmented = augmentCropped({ data, height, width, channels }, augmentation, rng).data;
  return augmented === data ? Uint8Array.from(data) : augmented; // a thread cannot give memory of sharp's away
}
