/** Keeps the functions of one compiled step, the least recently used one leaving first. */
export class FunctionCache<Entry> {
  readonly #entries = new Map<string, Entry>();
  readonly #limit: number;
  readonly #name: string;
  readonly #dispose: (entry: Entry) => void;
  #evictions = 0;

  constructor(limit: number, name: string, dispose: (entry: Entry) => void) {
    this.#limit = limit;
    this.#name = name;
    this.#dispose = dispose;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The entry of `key`, unless it is out of date: then it leaves. */
  get(key: string, isCurrent: (entry: Entry) => boolean): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (!isCurrent(entry)) {
      this.#entries.delete(key);
      this.#dispose(entry);
      return undefined;
    }
    if (this.#entries.size > 1) {
      this.#entries.delete(key);
      this.#entries.set(key, entry); // a map keeps the order of insertion: the first is the least recently used
    }
    return entry;
  }

  add(key: string, entry: Entry): Entry {
    this.#entries.set(key, entry);
    const [oldest] = this.#entries;
    if (this.#entries.size > this.#limit && oldest) {
      this.#entries.delete(oldest[0]);
      this.#dispose(oldest[1]);
      this.#warn();
    }
    return entry;
  }

  clear(): void {
    for (const entry of this.#entries.values()) this.#dispose(entry);
    this.#entries.clear();
  }

  #warn(): void {
    if (this.#evictions++ > 0) return;
    process.emitWarning(
      `compile(${this.#name}): more than ${this.#limit} combinations of shapes were seen, and each new one is traced. Pad to fewer shapes, or raise \`signatures\`.`,
      { code: 'TAUSTREAM_COMPILE_THRASH' },
    );
  }
}
