import { setMaxListeners } from 'node:events';

/**
 * A signal of one's own, which may be aborted by itself and follows another until it is disposed. Any number may listen to
 * it: Node takes more than ten listeners of one signal for a leak, and says so.
 */
export class Following implements Disposable {
  readonly #own = new AbortController();
  #leave = () => {};

  constructor() {
    setMaxListeners(0, this.#own.signal);
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  /** Aborts when `signal` does, for its reason. @returns itself */
  follow(signal?: AbortSignal): this {
    const abort = () => this.#own.abort(signal?.reason);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    this.#leave = () => signal?.removeEventListener('abort', abort);
    return this;
  }

  abort(reason?: unknown): void {
    this.#own.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#leave();
  }
}
