/**
 * What belongs to versions of the parameters, kept while somebody still uses it; the newest is always kept.
 */
export class Versions<Kept> {
  readonly #take: () => Kept;
  readonly #drop: (kept: Kept) => void;
  readonly #entries = new Map<number, { readonly kept: Kept; users: number }>();
  #newest = -1;

  constructor(take: () => Kept, drop: (kept: Kept) => void) {
    this.#take = take;
    this.#drop = drop;
  }

  /** Versions kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** Adds a user; a version that is new is taken now. */
  retain(version: number): void {
    const entry = this.#entries.get(version) ?? { kept: this.#take(), users: 0 };
    entry.users += 1;
    this.#entries.set(version, entry);
    this.#newest = Math.max(this.#newest, version);
    this.#sweep();
  }

  of(version: number): Kept {
    return this.#entries.get(version)!.kept; // whoever asks has retained it
  }

  release(version: number): void {
    const entry = this.#entries.get(version);
    if (!entry) return; // cleared
    entry.users -= 1;
    this.#sweep();
  }

  #sweep(): void {
    for (const [version, { kept, users }] of this.#entries)
      if (users === 0 && version !== this.#newest) {
        this.#entries.delete(version);
        this.#drop(kept);
      }
  }

  /** Drops all of them, whoever uses them. */
  clear(): void {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const { kept } of entries) this.#drop(kept);
  }
}
