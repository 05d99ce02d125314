import type { Presample } from './presample.ts';

/**
 * The buffers between presample and the trainer: how many, how large, and a way to let go of all of them when a
 * pipeline is stopped while some lie in a stream's buffer.
 * @example
 * const inFlight = new InFlight();
 * const stage = presample({ schema, gate, presampleSize: 128, batchSize: 32, inFlight });
 * for await (const buffer of stage(samples)) {
 *   console.log(inFlight.samples, inFlight.bytes);
 *   buffer.release();
 * }
 */
export class InFlight {
  readonly #buffers = new Set<Presample>();

  /** Samples in flight. */
  get samples(): number {
    return sum(this.#buffers, (buffer) => buffer.size);
  }

  /** Bytes in flight, on the host. */
  get bytes(): number {
    return sum(this.#buffers, (buffer) => buffer.bytes);
  }

  add(buffer: Presample): void {
    this.#buffers.add(buffer);
  }

  remove(buffer: Presample): void {
    this.#buffers.delete(buffer);
  }

  /** Disposes what is left, tensors included. */
  clear(): void {
    for (const buffer of this.#buffers) buffer.dispose();
  }
}

const sum = (buffers: ReadonlySet<Presample>, measure: (buffer: Presample) => number): number =>
  [...buffers].reduce((total, buffer) => total + measure(buffer), 0);
