import type { TensorEntry } from './backend.ts';

/**
 * Frees data that nobody disposed, once it is collected: a safety net for code without `tf.tidy`.
 *
 * V8 moves whatever a `FinalizationRegistry` knows to its old generation, also what was taken off the registry again, and
 * collects that rarely: 140 kB a step of a small CNN run op by op. So data enters the registry once the event loop turns,
 * before which no finaliser runs anyway; most is disposed by then.
 */
export class ForgottenData {
  readonly #registry: FinalizationRegistry<TensorEntry>;
  /** Data made since the event loop last turned, by its entry. */
  readonly #young = new Map<TensorEntry, object>();

  constructor(free: (entry: TensorEntry) => void) {
    this.#registry = new FinalizationRegistry(free);
  }

  made(dataId: object, entry: TensorEntry): void {
    if (this.#young.size === 0) setImmediate(() => this.#watch());
    this.#young.set(entry, dataId);
  }

  disposed(entry: TensorEntry): void {
    if (!this.#young.delete(entry)) this.#registry.unregister(entry);
  }

  #watch(): void {
    for (const [entry, dataId] of this.#young) this.#registry.register(dataId, entry, entry);
    this.#young.clear();
  }
}
