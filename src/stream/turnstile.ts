import type { Turnstile } from './gate.ts';

/**
 * Holds presample back until the trainer has done with all but `ahead` of the buffers filled so far.
 *
 * @param ahead buffers that may wait for the trainer; 0 is lockstep, exactly Algorithm 1
 * @example const turnstile = createTurnstile(0);
 */
export function createTurnstile(ahead: number): Turnstile {
  let inside = 0;
  let version = 0;
  let isOpen = false;
  let work: (() => Promise<void>) | undefined;
  let waiting: (() => void)[] = [];

  const mayEnter = () => isOpen || inside <= ahead;
  const wake = () => {
    if (!mayEnter()) return;
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  };

  return {
    get version() {
      return version;
    },
    async enter(signal) {
      signal?.throwIfAborted();
      while (!mayEnter()) await nextWake((resolve) => waiting.push(resolve), signal);
      inside += 1;
    },
    computing: async () => work?.(),
    meanwhile: (given) => {
      work = given;
    },
    stepped: () => {
      version += 1;
    },
    leave: () => {
      inside -= 1;
      wake();
    },
    open: () => {
      isOpen = true;
      wake();
    },
  };
}

/** A promise that the next wake resolves, or that an abort rejects. */
export function nextWake(register: (resolve: () => void) => void, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal?.reason as Error);
    signal?.addEventListener('abort', abort, { once: true });
    register(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
  });
}
