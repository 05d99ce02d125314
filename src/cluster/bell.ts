import { nextWake } from '../stream/turnstile.ts';

/** Wakes whoever waits for something to change. */
export class Bell {
  #waiting: (() => void)[] = [];

  ring(): void {
    const woken = this.#waiting;
    this.#waiting = [];
    for (const resolve of woken) resolve();
  }

  /** Resolves with the next ring. Rejects when the signal aborts. */
  wait(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    return nextWake((resolve) => this.#waiting.push(resolve), signal);
  }
}
