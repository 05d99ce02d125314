/** Cuts bytes into stretches of at most `size`; there is one at least. Nothing is copied. */
export function chunksOf(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = Math.max(1, Math.ceil(bytes.length / size));
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

/** Puts stretches together that come one by one, each with a key, and may come again. */
export class Assembly {
  readonly #parts = new Map<string, { readonly chunks: (Uint8Array | undefined)[]; atMs: number }>();
  readonly #limitBytes: number;
  #bytes = 0;

  /** @param limitBytes what is held at most; the oldest goes first */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Adds a stretch. @returns the whole, once all are there */
  add(key: string, chunk: number, count: number, bytes: Uint8Array): Uint8Array | undefined {
    if (count === 1) return bytes;
    const part = this.#parts.get(key) ?? { chunks: Array.from({ length: count }), atMs: 0 };
    if (part.chunks.length !== count || chunk >= count) {
      this.drop(key);
      return undefined;
    }
    this.#parts.delete(key);
    this.#parts.set(key, part); // the last that was heard of is the last to go
    this.#bytes += bytes.length - (part.chunks[chunk]?.length ?? 0);
    part.chunks[chunk] = bytes;
    if (part.chunks.some((one) => one === undefined)) {
      this.#trim(key);
      return undefined;
    }
    this.drop(key);
    return Buffer.concat(part.chunks as Uint8Array[]); // none is undefined
  }

  drop(key: string): void {
    const part = this.#parts.get(key);
    if (!part) return;
    this.#parts.delete(key);
    for (const chunk of part.chunks) this.#bytes -= chunk?.length ?? 0;
  }

  #trim(kept: string): void {
    for (const key of this.#parts.keys()) {
      if (this.#bytes <= this.#limitBytes || key === kept) return;
      this.drop(key);
    }
  }
}
