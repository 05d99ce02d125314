import { setTimeout as sleep } from 'node:timers/promises';
import { FetchError } from '../errors.ts';

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
 */
export async function retried<Result>(
  { attempts, pauseMs, stallMs }: RetryOptions,
  work: (alive: Alive) => Promise<Result>,
  fail: (expected: string, got: string, cause: unknown) => Error,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    const alive = new Alive(stallMs);
    try {
      return await work(alive);
    } catch (cause) {
      if (cause instanceof FetchError) throw cause;
      if (attempt >= attempts) {
        const got = alive.signal.aborted ? `no byte for ${stallMs} ms` : reasonOf(cause);
        throw fail(`an answer within ${attempts} attempts`, got, cause);
      }
      await sleep(pauseMs * 2 ** (attempt - 1) * (0.5 + 0.5 * Math.random())); // jitter: many readers must not come back at once
    } finally {
      alive.end();
    }
  }
}

/** Something that may pass. */
export class Interrupted extends Error {}

/** Aborts when nothing has been heard for a while. */
export class Alive {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(stallMs: number) {
    this.#timer = setTimeout(() => this.#controller.abort(new Interrupted(`no byte for ${stallMs} ms`)), stallMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  touch(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
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
  return inner instanceof Error ? inner.message : String(inner);
}
