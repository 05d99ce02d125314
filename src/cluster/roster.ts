/** A worker as its trainer knows it. */
export interface WorkerEntry {
  readonly worker: string;
  readonly machine: string;
  readonly joinedMs: number;
  heardMs: number;
  parts: number;
  samples: number;
  scoreMs: number;
}

/** Who works for a run. Whoever is silent for long is not there any more, until it is heard again. */
export class Roster {
  readonly #entries = new Map<string, WorkerEntry>();
  readonly #silentMs: number;

  constructor(silentMs: number) {
    this.#silentMs = silentMs;
  }

  join(worker: string, machine: string, nowMs: number): void {
    const fresh = { worker, machine, joinedMs: nowMs, heardMs: nowMs, parts: 0, samples: 0, scoreMs: 0 };
    this.#entries.set(worker, fresh);
  }

  /** @returns whether it has joined */
  heard(worker: string, nowMs: number): boolean {
    const entry = this.#entries.get(worker);
    if (entry) entry.heardMs = nowMs;
    return entry !== undefined;
  }

  delivered(worker: string, samples: number, scoreMs: number): void {
    const entry = this.#entries.get(worker);
    if (!entry) return;
    entry.parts += 1;
    entry.samples += samples;
    entry.scoreMs += scoreMs;
  }

  leave(worker: string): void {
    this.#entries.delete(worker);
  }

  /** Those that are there. */
  present(nowMs: number): WorkerEntry[] {
    return [...this.#entries.values()].filter(({ heardMs }) => nowMs - heardMs <= this.#silentMs);
  }
}
