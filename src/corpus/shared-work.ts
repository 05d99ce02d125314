import { Following } from '../stream/following.ts';
import { unlessAborted } from '../stream/unless-aborted.ts';

/** Work that several may wait for: one who leaves ends it for nobody else, and the last who leaves ends it. */
export class SharedWork<Result> {
  readonly #stop = new Following();
  readonly #result: Promise<Result>;
  #hasSettled = false;
  #waiting = 0;

  /** @param work begun at once; ended by the signal when nobody waits for it any more */
  constructor(work: (signal: AbortSignal) => Promise<Result>) {
    this.#result = work(this.#stop.signal).finally(() => {
      this.#hasSettled = true;
    });
    this.#result.catch(() => {}); // thrown to each who waits
  }

  /** Whether it was ended because nobody waited: whoever wants its result begins anew. */
  get isAbandoned(): boolean {
    return this.#stop.signal.aborted;
  }

  /** @throws {unknown} the signal's reason, or what the work rejects with */
  async result(signal?: AbortSignal): Promise<Result> {
    this.#waiting += 1;
    try {
      return await (signal ? unlessAborted(this.#result, signal) : this.#result);
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0 && !this.#hasSettled) this.#stop.abort(signal?.reason);
    }
  }
}

/** The work of a key: what is under way, or was done, unless nobody waited for it; else it is begun, and kept in the map. */
export function sharedWork<Result>(
  works: Map<string, SharedWork<Result>>,
  key: string,
  work: (signal: AbortSignal) => Promise<Result>,
): SharedWork<Result> {
  const held = works.get(key);
  if (held && !held.isAbandoned) return held;
  const begun = new SharedWork(work);
  works.set(key, begun);
  return begun;
}
