import { EngineError } from '../../../errors.ts';
import type { Library } from './library.ts';
import type { Pointer } from './signatures.ts';

/** TensorFlow's tensor handles by the numbers that TensorFlow.js' backend keeps. Numbers are never used twice. */
export class Handles {
  readonly #live = new Map<number, Pointer>();
  readonly #library: Library;
  #last = 0;

  constructor(library: Library) {
    this.#library = library;
  }

  /** Handles not yet deleted. */
  get size(): number {
    return this.#live.size;
  }

  add(handle: Pointer): number {
    const id = ++this.#last;
    this.#live.set(id, handle);
    return id;
  }

  /** @throws {EngineError} when the tensor was disposed, or belongs to a traced step that has ended */
  get(id: number): Pointer {
    const handle = this.#live.get(id);
    if (handle === undefined) throw new EngineError(goneMessage(id), { id });
    return handle;
  }

  has(id: number): boolean {
    return this.#live.has(id);
  }

  /** Deletes a handle; a number that is gone already is left alone, so that the finaliser may come late. */
  delete(id: number): void {
    const handle = this.#live.get(id);
    if (handle === undefined) return;
    this.#live.delete(id);
    this.#library.c.TFE_DeleteTensorHandle(handle);
  }

  clear(): void {
    for (const id of this.#live.keys()) this.delete(id);
  }
}

const goneMessage = (id: number) =>
  id < 0
    ? 'a tensor made within a compiled step was used outside of it: return it from the step instead of keeping it.'
    : 'a tensor was used after it was disposed: keep it with `tf.keep`, or return it from `tf.tidy`.';
