import { setTimeout as sleep } from 'node:timers/promises';
import { FetchError, messageOf } from '../errors.ts';
import { Following } from '../stream/following.ts';

export interface RetryOptions {
  readonly attempts: number;
  /** Milliseconds before the second try; doubled for each further one, and shortened by up to a half at random. */
  readonly pauseMs: number;
  /** Milliseconds without a byte after which a try is given up. */
  readonly stallMs: number;
}

/**
 * Tries again after what may pass: a stall, a cut, a busy server.
 *
 * @param fail makes the error of the last try
 * @param signal ends the try under way, or the pause
 * @throws {unknown} the signal's reason, or what `fail` makes
 */
export async function retried<Result>(
  { attempts, pauseMs, stallMs }: RetryOptions,
  work: (alive: Alive) => Promise<Result>,
  fail: (expected: string, got: string, cause: unknown) => Error,
  signal?: AbortSignal,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const alive = new Alive(stallMs, signal);
    try {
      return await work(alive);
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof FetchError) throw cause;
      if (attempt >= attempts) {
        const got = alive.signal.aborted ? `no byte for ${stallMs} ms` : reasonOf(cause);
        throw fail(`an answer within ${attempts} attempts`, got, cause);
      }
    } finally {
      alive.end();
    }
    const pause = pauseMs * 2 ** (attempt - 1) * (0.5 + 0.5 * Math.random()); // jitter: many readers must not come back at once
    await sleep(pause, undefined, signal && { signal }).catch(() => {}); // an abort, which is thrown above
  }
}

/** Something that may pass. */
export class Interrupted extends Error {}

/** Aborts when nothing has been heard for a while, or when another signal does. */
export class Alive {
  readonly #following: Following;
  readonly #timer: NodeJS.Timeout;

  constructor(stallMs: number, signal?: AbortSignal) {
    const own = new Following().follow(signal);
    this.#following = own;
    this.#timer = setTimeout(() => own.abort(new Interrupted(`no byte for ${stallMs} ms`)), stallMs);
  }

  get signal(): AbortSignal {
    return this.#following.signal;
  }

  touch(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#following[Symbol.dispose]();
  }
}

/** Sends a request; an answer that may pass counts as an interruption. */
export async function answered(request: Request, alive: Alive): Promise<Response> {
  const response = await fetch(request, { signal: alive.signal });
  alive.touch();
  if (![408, 429].includes(response.status) && response.status < 500) return response;
  await response.body?.cancel();
  throw new Interrupted(`the answer ${response.status}`);
}

/** `fetch` keeps its reason one level down. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return messageOf(inner);
}
