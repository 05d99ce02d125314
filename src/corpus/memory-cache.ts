import { LRUCache } from 'lru-cache';

/** Something in a cache that is in use until it is released. */
export interface Lease<Value> extends Disposable {
  readonly value: Value;
}

interface InUse<Value> {
  readonly made: Promise<Value>;
  users: number;
}

/**
 * A cache with a limit in bytes that evicts nothing in use: what has a user is kept apart, counted at once when it is
 * asked for, and joins the cache only when its last user has released it. Two who ask for the same thing at once wait for
 * one making of it.
 *
 * Memory: `maxBytes` of what nobody uses, plus what is in use.
 */
export class MemoryCache<Value extends object> {
  readonly #idle: LRUCache<string, Value>;
  readonly #inUse = new Map<string, InUse<Value>>();

  constructor(maxBytes: number, bytesOf: (value: Value) => number) {
    this.#idle = new LRUCache({ maxSize: maxBytes, sizeCalculation: (value) => Math.max(1, bytesOf(value)) });
  }

  /** Bytes of what nobody uses. */
  get idleBytes(): number {
    return this.#idle.calculatedSize;
  }

  /** Gives what is held under a key, or makes it. The caller disposes the lease. */
  async lease(key: string, make: () => Promise<Value>): Promise<Lease<Value>> {
    const held = this.#inUse.get(key) ?? this.#begin(key, make);
    held.users += 1;
    try {
      const value = await held.made;
      let released = false;
      return {
        value,
        [Symbol.dispose]: () => {
          if (released) return;
          released = true;
          this.#leave(key, held, value);
        },
      };
    } catch (error) {
      this.#leave(key, held);
      throw error;
    }
  }

  #begin(key: string, make: () => Promise<Value>): InUse<Value> {
    const idle = this.#idle.get(key);
    this.#idle.delete(key);
    const held = { made: idle === undefined ? make() : Promise.resolve(idle), users: 0 };
    this.#inUse.set(key, held);
    return held;
  }

  #leave(key: string, held: InUse<Value>, value?: Value): void {
    held.users -= 1;
    if (held.users > 0) return;
    this.#inUse.delete(key);
    if (value) this.#idle.set(key, value);
  }
}
