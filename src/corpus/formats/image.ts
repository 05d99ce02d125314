import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { firstLineOf } from '../../errors.ts';
import type { ColumnSpec } from '../../stream/columns.ts';
import { augmentSeed, type Augmentation, type Pass } from '../augment/augment.ts';
import { decodePixels } from './image-pixels.ts';
import { decodeInThread } from './image-pool.ts';
import { shardError } from './shard-access.ts';

export const ImageOptions = z.strictObject({
  /** Pixels from top to bottom. @default 224 – what most pretrained networks take */
  height: z.int().min(1).max(8192).default(224),
  /** Pixels from left to right. @default 224 */
  width: z.int().min(1).max(8192).default(224),
  /** 3 for colours, 1 for grey. @default 3 */
  channels: z.union([z.literal(1), z.literal(3)]).default(3),
  /** Whether an image of another form is cropped at its centre, padded, or stretched. @default 'cover' */
  fit: z.enum(['cover', 'contain', 'fill']).default('cover'),
  /** How pixels are weighed when a size changes: `linear` is quicker, `lanczos3` sharper. @default 'lanczos3' */
  kernel: z.enum(['linear', 'cubic', 'lanczos3']).default('lanczos3'),
  /** What shows through transparent pixels, and pads. @default '#ffffff' */
  background: z.string().default('#ffffff'),
  /** Images that claim more pixels than this are refused before they are decoded. @default 100 million */
  maxPixels: z.int().min(1).default(100_000_000),
});
export type ImageOptions = z.output<typeof ImageOptions>;

/** Images that are decoded at a time, ahead of the one asked for. libvips decodes in libuv's threads, four by default. */
export const IMAGES_AHEAD = 16;

export const imageSpec = ({ height, width, channels }: ImageOptions): ColumnSpec => ({
  type: 'uint8',
  shape: [height, width, channels],
});

/** Whether bytes begin as an image file does: JPEG, PNG, GIF, WebP, TIFF, AVIF or HEIF. */
export function isImage(head: Uint8Array): boolean {
  const bytes = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, 16));
  const text = bytes.toString('latin1');
  return /^(\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|....ftyp(avif|heic|mif1))/s.test(text);
}

/** Names of files that hold images. */
export const IMAGE_NAME = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i;

/** What images are to become, and where that is done. */
export interface ImageDecoding {
  readonly image: ImageOptions;
  readonly augment?: Augmentation | undefined;
  /** @default 0 – in this thread */
  readonly augmentWorkers?: number | undefined;
}

/**
 * With more cores than this, images that are only decoded and resized are so in another thread, too. A JPEG of 500 × 375 takes
 * one of libuv's threads 0.7 ms (a PNG 3 ms), and the thread that asks for it and resizes it 0.9 ms (a profile of
 * `bench/corpora.ts --measure ours --case images`): so with fewer cores a thread more would only take longer to start.
 */
const FEW_CORES = 4;

/** How many threads of ours an image is handed to; 0 is this one. */
export function threadsFor(isAugmented: boolean, augmentWorkers: number, cores = availableParallelism()): number {
  return isAugmented || cores > FEW_CORES ? augmentWorkers : 0;
}

/**
 * Decodes an image in libvips' threads: turned upright, blended onto the background; resizes and augments it, in a thread of
 * ours where there is one and it pays.
 *
 * @param pass given where the image is to be augmented
 * @returns [H, W, C] pixels, owned by the caller
 * @throws {ShardError} when the bytes are no whole image, or claim too many pixels
 */
export async function decodeImage(
  bytes: Uint8Array,
  { image, augment, augmentWorkers = 0 }: ImageDecoding,
  place: { readonly shard: string; readonly offset: number; readonly id: string },
  pass?: Pass,
): Promise<Uint8Array> {
  try {
    const recipe = {
      image,
      ...(augment && pass && { augmentation: { ...augment, seed: augmentSeed(pass, place.id) } }),
    };
    const threads = threadsFor(recipe.augmentation !== undefined, augmentWorkers);
    return await (threads === 0 ? decodePixels(bytes, recipe) : decodeInThread(bytes, recipe, threads));
  } catch (cause) {
    const got = firstLineOf(cause);
    throw shardError(place.shard, place.offset, `an image (\`${place.id}\`)`, got, { id: place.id }, cause);
  }
}
