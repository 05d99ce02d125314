import type { Turnstile } from '../stream/gate.ts';
import type { Meter } from '../stream/meter.ts';
import type { TrainerOptions } from './trainer.ts';

/** After an abort, how long is waited for samples that are on their way: a disk gives them at once, a network may not. */
const GRACE_MS = 1000;

/**
 * What a run waits for data. The next samples are fetched while a step is computed, and what that hides is not waited for.
 *
 * A step waits for what is fetched meanwhile, as the next one would: so what a scheme decides about samples does not depend
 * on how fast they are read, and a run that is stopped has decided what it would have, had it gone on.
 */
export class Fetching {
  readonly #meter: Meter;
  readonly #turnstile: Turnstile;
  readonly #signal: AbortSignal | undefined;
  #hiddenMs = 0;

  constructor(meter: Meter, turnstile: Turnstile, signal?: AbortSignal) {
    this.#meter = meter;
    this.#turnstile = turnstile;
    this.#signal = signal;
  }

  get ofTrainer(): Required<Pick<TrainerOptions, 'meanwhile' | 'onHidden'>> {
    return { meanwhile: () => this.#fetch(), onHidden: (milliseconds) => (this.#hiddenMs += milliseconds) };
  }

  /** Milliseconds, since the run began. */
  get waitedMs(): number {
    return this.#fetchedMs - this.#hiddenMs;
  }

  get #fetchedMs(): number {
    return this.#meter.stages.get('presample')?.waitedUpstreamMs ?? 0;
  }

  async #fetch(): Promise<number> {
    if (!this.#turnstile.computing) return 0;
    const before = this.#fetchedMs;
    await withGrace(this.#turnstile.computing(), this.#signal);
    return this.#fetchedMs - before;
  }
}

/** Waits for work; no longer than for some time after an abort. */
async function withGrace(work: Promise<void>, signal?: AbortSignal): Promise<void> {
  if (!signal) return work;
  let leave: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const aborted = new Promise<void>((resolve) => (leave = resolve));
  const begin = () => (timer = setTimeout(() => leave?.(), GRACE_MS));
  if (signal.aborted) begin();
  else signal.addEventListener('abort', begin, { once: true });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', begin);
    clearTimeout(timer);
  }
}
