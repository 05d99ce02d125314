import type { Gate } from '../stream/gate.ts';
import type { Account, Ledger } from './ledger.ts';
import type { WorkerEntry } from './roster.ts';

/** What a trainer tells of its fleet. */
export interface FleetStatus {
  readonly run: string;
  readonly steps: number;
  readonly gate: { readonly tau: number; readonly isOpen: boolean };
  readonly workers: readonly {
    readonly worker: string;
    readonly machine: string;
    /** Samples scored, and how many a second since it joined. */
    readonly samples: number;
    readonly samplesPerSecond: number;
    readonly silentSeconds: number;
  }[];
  /** Jobs that are given out and not done with. */
  readonly openJobs: number;
  /** Parts that are being scored or wait for the trainer, and those that wait. */
  readonly partsUnderWay: number;
  readonly partsReady: number;
  /** Steps that scores were old when they were trained by, of the last hundred. */
  readonly ages: { readonly mean: number; readonly largest: number };
  readonly account: Account;
}

/** A fleet's status at a moment. */
export interface FleetReport extends FleetStatus {
  /** ISO 8601. */
  readonly at: string;
  /** Jobs that no worker has come for, and those that one has in hand; absent while the server is away. */
  readonly queued?: number;
  readonly inHand?: number;
}

/** Remembers the last ages. */
export class Ages {
  readonly #last: number[] = [];

  add(age: number): void {
    this.#last.push(age);
    if (this.#last.length > 100) this.#last.shift();
  }

  get mean(): number {
    return this.#last.length === 0 ? 0 : this.#last.reduce((sum, age) => sum + age, 0) / this.#last.length;
  }

  get largest(): number {
    return this.#last.reduce((most, age) => Math.max(most, age), 0);
  }
}

export function describeFleet(state: {
  readonly run: string;
  readonly steps: number;
  readonly workers: readonly WorkerEntry[];
  readonly ledger: Ledger;
  readonly ready: number;
  readonly ages: Ages;
  readonly gate: Gate;
  readonly nowMs: number;
}): FleetStatus {
  const { run, steps, workers, ledger, ready, ages, gate, nowMs } = state;
  return {
    run,
    steps,
    gate: { tau: gate.tau, isOpen: gate.isOpen },
    workers: workers.map(({ worker, machine, samples, joinedMs, heardMs }) => ({
      worker,
      machine,
      samples,
      samplesPerSecond: (1000 * samples) / Math.max(1, nowMs - joinedMs),
      silentSeconds: (nowMs - heardMs) / 1000,
    })),
    openJobs: ledger.open.size,
    partsUnderWay: ledger.underWay,
    partsReady: ready,
    ages: { mean: ages.mean, largest: ages.largest },
    account: { ...ledger.account },
  };
}
