import type { FleetReport, FleetStatus } from './status.ts';

export interface StatusReporterOptions {
  readonly status: () => FleetStatus;
  /** What waits on the server. @throws while it is away */
  readonly waiting: () => Promise<{ readonly queued: number; readonly inHand: number }>;
  readonly onStatus: (report: FleetReport) => void;
  /** Milliseconds between two reports. @default 1000 */
  readonly everyMs?: number;
}

/** Tells how a fleet is, now and then; without what waits on the server while that is away. */
export class StatusReporter {
  readonly #options: StatusReporterOptions;
  #dueMs = 0;
  #isAsking = false;

  constructor(options: StatusReporterOptions) {
    this.#options = options;
  }

  /** Called often; reports when it is time. */
  tend(nowMs: number): void {
    const { everyMs = 1000, status, waiting, onStatus } = this.#options;
    if (nowMs < this.#dueMs || this.#isAsking) return;
    this.#dueMs = nowMs + everyMs;
    this.#isAsking = true;
    void waiting()
      .catch(() => ({}))
      .then((asked) => onStatus({ at: new Date().toISOString(), ...status(), ...asked }))
      .finally(() => (this.#isAsking = false));
  }
}
