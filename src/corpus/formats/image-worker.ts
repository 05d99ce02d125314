import assert from 'node:assert';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import { decodePixels, type PixelRecipe } from './image-pixels.ts';

export interface ImageJob {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly recipe: PixelRecipe;
}

export type ImageAnswer = { readonly number: number } & ({ readonly pixels: Uint8Array } | { readonly error: string });

assert(parentPort, 'this file is run as a thread');
const port = parentPort;

port.on('message', ({ number, bytes, recipe }: ImageJob) => {
  void decodePixels(bytes, recipe).then(
    (pixels) => port.postMessage({ number, pixels } satisfies ImageAnswer, [pixels.buffer as ArrayBuffer]), // fresh: see there
    (cause: unknown) =>
      port.postMessage({
        number,
        error: messageOf(cause),
      } satisfies ImageAnswer),
  );
});
