import type { Worker } from 'node:worker_threads';
import { startWorker } from '../worker-file.ts';
import type { PixelRecipe } from './image-pixels.ts';
import type { ImageAnswer, ImageJob } from './image-worker.ts';

/** A thread with nothing to do ends after so long. */
const IDLE_MS = 1000;

interface Waiting {
  readonly resolve: (pixels: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A thread that decodes and augments. It is given several images at a time: libvips decodes them in libuv's threads,
 * which all threads of the process share, and the thread itself augments one after another.
 */
class ImageThread {
  readonly #worker: Worker = startWorker(import.meta.url, 'image-worker');
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: () => void;
  #next = 0;
  #idle: NodeJS.Timeout | undefined;

  /** @param ended told when the thread takes no more images */
  constructor(ended: () => void) {
    this.#ended = ended;
    this.#worker
      .on('message', (answer: ImageAnswer) => this.#settle(answer))
      .on('error', (error) => this.#fail(error))
      .on('exit', () => this.#fail(new Error('a thread that ended')));
  }

  decode(bytes: Uint8Array, recipe: PixelRecipe): Promise<Uint8Array> {
    clearTimeout(this.#idle);
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      const number = this.#next++;
      this.#waiting.set(number, { resolve, reject });
      // A copy, handed over: a view would be sent with all of the block that it looks into.
      const own = new Uint8Array(bytes);
      this.#worker.postMessage({ number, bytes: own, recipe } satisfies ImageJob, [own.buffer]);
    });
  }

  #settle(answer: ImageAnswer): void {
    const waiting = this.#waiting.get(answer.number)!;
    this.#waiting.delete(answer.number);
    if (this.#waiting.size === 0) this.#rest();
    if ('error' in answer) waiting.reject(new Error(answer.error));
    else waiting.resolve(answer.pixels);
  }

  /** Nothing keeps the process alive for the sake of a thread without work. */
  #rest(): void {
    this.#worker.unref();
    this.#idle = setTimeout(() => {
      this.#ended();
      void this.#worker.terminate();
    }, IDLE_MS).unref();
  }

  #fail(error: Error): void {
    this.#ended();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    void this.#worker.terminate();
  }
}

const threads: (ImageThread | undefined)[] = [];
let turn = 0;

/**
 * Decodes and augments in one of a few threads, in turn. Which one it is changes nothing but the time.
 * @throws {Error} when the bytes are no image, or the thread dies
 */
export function decodeInThread(bytes: Uint8Array, recipe: PixelRecipe, workers: number): Promise<Uint8Array> {
  turn = (turn + 1) % workers;
  const place = turn;
  const own = (threads[place] ??= new ImageThread(() => {
    if (threads[place] === own) threads[place] = undefined;
  }));
  return own.decode(bytes, recipe);
}
