import type { Presample } from '../../stream/presample.ts';
import type { Stage } from '../../stream/stage.ts';
import { nextWake } from '../../stream/turnstile.ts';
import type { ScorePlace } from './place.ts';
import type { Tickets } from './tickets.ts';

/**
 * Takes presamples as fast as they are filled, has each scored from then on, and hands each on when its turn has come.
 *
 * Memory: the `ahead + 1` presamples for which there are tickets.
 *
 * @param signal ends all waiting, also for scores that are still to come
 */
export function lookAhead(place: ScorePlace, tickets: Tickets, signal: AbortSignal): Stage<Presample, Presample> {
  return async function* (source) {
    const arrivals = new Arrivals(source, (presample) => {
      const { version } = tickets.next();
      if (presample.phase === 'importance') place.begin(presample, version);
    });
    const cancel = () => place.cancel(signal.reason);
    signal.addEventListener('abort', cancel, { once: true });
    try {
      for (let n = 0; ; n++) {
        const presample = await arrivals.next(signal);
        if (!presample) return;
        await tickets.turnOf(n, signal);
        yield presample;
      }
    } finally {
      signal.removeEventListener('abort', cancel);
      arrivals.stop();
    }
  };
}

/** Takes all that a source gives, as it comes, and keeps it until somebody asks. */
class Arrivals {
  readonly #items: AsyncIterator<Presample>;
  readonly #kept: Presample[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(source: AsyncIterable<Presample>, arrived: (presample: Presample) => void) {
    this.#items = source[Symbol.asyncIterator]();
    void this.#pull(arrived);
  }

  /** The next one; nothing when the source has ended. @throws {unknown} what the source threw */
  async next(signal: AbortSignal): Promise<Presample | undefined> {
    while (this.#kept.length === 0 && !this.#end) {
      signal.throwIfAborted();
      await nextWake((resolve) => (this.#wake = resolve), signal);
    }
    if (this.#end && 'error' in this.#end) throw this.#end.error;
    return this.#kept.shift();
  }

  stop(): void {
    void this.#items.return?.().catch(() => {}); // an error of the source after its end is nobody's
  }

  async #pull(arrived: (presample: Presample) => void): Promise<void> {
    try {
      for (let next = await this.#items.next(); !next.done; next = await this.#items.next()) {
        arrived(next.value);
        this.#kept.push(next.value);
        this.#wake?.();
      }
      this.#end = {};
    } catch (error) {
      this.#end = { error };
    }
    this.#wake?.();
  }
}
