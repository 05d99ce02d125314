import { randomInt } from 'node:crypto';
import type { TensorflowBackend } from '../backend.ts';
import { dataTypes } from '../binding/data-types.ts';

/** The seeds of one compiled step: one a call. */
export interface SeedStream {
  /** Makes the next call's seed as a tensor, and gives its number; the caller releases it. */
  upload(backend: TensorflowBackend): number;
}

/** Gives each compiled step seeds of its own, all from one number. */
export class Seeds {
  #seed = randomInt(2 ** 32);
  #streams = 0;
  #generation = 0;

  /** Starts over: steps draw the same numbers after the same seed, in the order in which they were compiled. */
  set(seed: number): void {
    this.#seed = seed;
    this.#streams = 0;
    this.#generation++;
  }

  /** A stream by its own seed, or by the engine's. */
  stream(seed?: number): SeedStream {
    const index = this.#streams++;
    let generation = this.#generation;
    let calls = 0;
    return {
      upload: (backend) => {
        if (generation !== this.#generation) {
          generation = this.#generation;
          if (seed === undefined) calls = 0;
        }
        const base = seed ?? this.#seed + Math.imul(index, 0x85ebca6b); // an odd number: streams differ
        return backend.engineBinding.upload([2], dataTypes.int32, Int32Array.of(base | 0, calls++ | 0));
      },
    };
  }
}
