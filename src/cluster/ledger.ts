import { z } from 'zod';
import { parseOptions } from '../options.ts';
import type { Phase } from '../stream/gate.ts';
import type { Position } from '../stream/sample.ts';

const count = z.int().nonnegative();

/** Which parts of which jobs were trained on: plain values, for a checkpoint. */
const LedgerState = z.strictObject({
  kind: z.literal('fleet'),
  order: z.string(),
  /** Places in a job. */
  places: z.int().positive(),
  /** The first job that was never given out. */
  next: count,
  /** Jobs before it that are not done with. */
  open: z.array(
    z.strictObject({
      job: count,
      phase: z.enum(['uniform', 'importance']),
      /** Parts that are trained on. */
      trained: z.array(count),
      /** Parts of which some draws are trained on: so many. */
      begun: z.array(z.strictObject({ part: count, turns: z.int().positive() })),
    }),
  ),
  account: z.record(z.string(), count),
});
type LedgerState = z.output<typeof LedgerState>;

/** A job that was given out, or is to be given out again. */
export interface OpenJob {
  readonly job: number;
  readonly from: number;
  readonly to: number;
  readonly phase: Phase;
  readonly parts: Map<number, Part>;
  /** How many parts it has, once that is known. */
  count: number | undefined;
  /** When somebody last said something about it, and how often it was given out. */
  heardMs: number;
  issues: number;
}

type Part =
  | { readonly kind: 'granted'; readonly to: string; readonly untilMs: number; readonly turns: number }
  | { readonly kind: 'taken'; turns: number }
  | { readonly kind: 'begun'; readonly turns: number }
  | { readonly kind: 'trained' };

export interface LedgerOptions {
  /** The name of the corpus' order. */
  readonly order: string;
  /** Places in a job. */
  readonly places: number;
  /** Places in all; `Infinity` for a run without an end in the corpus. */
  readonly end: number;
  /** How long a part that may be scored may take until another may score it, in ms. */
  readonly grantMs: number;
  /** Parts that may be under way or wait for the trainer. */
  readonly ahead: () => number;
}

/** What became of the parts of a run. */
export interface Account {
  /** Parts and samples offered to workers and delivered by them. */
  jobs: number;
  reissued: number;
  taken: number;
  /** Minibatches trained on. */
  trained: number;
  /** Parts that a worker was to score and never brought. */
  lost: number;
  /** Parts that came again, or were offered again, and were refused. */
  duplicate: number;
  /** Parts of an earlier life of the trainer. */
  stale: number;
  /** Minibatches whose scores were older than the limit, and were left out or weighed less. */
  expired: number;
  weighedLess: number;
  /** Samples that no worker could read. */
  badSamples: number;
}

export type Verdict = 'go' | 'wait' | 'duplicate' | 'done';

/**
 * The trainer's book of jobs. A job is a range of places of the corpus' order; a part is one presample of it. Whatever
 * workers do and however often a job is delivered, a part is taken once, and each of its draws is trained on once.
 */
export class Ledger {
  readonly account: Account = {
    jobs: 0,
    reissued: 0,
    taken: 0,
    trained: 0,
    lost: 0,
    duplicate: 0,
    stale: 0,
    expired: 0,
    weighedLess: 0,
    badSamples: 0,
  };
  readonly open = new Map<number, OpenJob>();
  readonly #options: LedgerOptions;
  #next = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  get order(): string {
    return this.#options.order;
  }

  /** Whether there is nothing left to give out. */
  get isExhausted(): boolean {
    return this.#next * this.#options.places >= this.#options.end;
  }

  /** Parts that are being scored, or wait for the trainer. */
  get underWay(): number {
    let sum = 0;
    for (const { parts } of this.open.values())
      for (const { kind } of parts.values()) if (kind === 'granted' || kind === 'taken') sum += 1;
    return sum;
  }

  /** The next job, unless all are given out. */
  issue(phase: Phase, nowMs: number): OpenJob | undefined {
    if (this.isExhausted) return undefined;
    this.account.jobs += 1;
    return this.#add(this.#next++, phase, nowMs);
  }

  /** Notes that a job is given out once more. */
  reissue(job: OpenJob, nowMs: number): void {
    job.heardMs = nowMs;
    job.issues += 1;
    this.account.reissued += 1;
  }

  #add(job: number, phase: Phase, nowMs: number): OpenJob {
    const { places, end } = this.#options;
    const from = job * places;
    const to = Math.min(end, from + places);
    const opened = { job, from, to, phase, parts: new Map(), count: undefined, heardMs: nowMs, issues: 1 };
    this.open.set(job, opened);
    return opened;
  }

  /** Whether a worker may score a part now. */
  offer(job: number, part: number, worker: string, nowMs: number): Verdict {
    const known = this.#heard(job, nowMs);
    if (!known) return 'done';
    const state = known.parts.get(part);
    if (state?.kind === 'trained' || state?.kind === 'taken') {
      this.account.duplicate += 1;
      return 'duplicate';
    }
    const isAnothers = state?.kind === 'granted' && state.to !== worker && state.untilMs > nowMs;
    const isOwn = state?.kind === 'granted' && !isAnothers;
    if (isAnothers || (!isOwn && this.underWay >= this.#options.ahead())) return 'wait';
    const turns = state?.turns ?? 0;
    known.parts.set(part, { kind: 'granted', to: worker, untilMs: nowMs + this.#options.grantMs, turns });
    return 'go';
  }

  /** Takes a part, once. @returns how many of its draws an earlier life had trained on, if it is taken */
  take(job: number, part: number, nowMs: number): { verdict: 'taken'; turns: number } | { verdict: Verdict } {
    const known = this.#heard(job, nowMs);
    if (!known) return { verdict: 'done' };
    const state = known.parts.get(part);
    if (state?.kind === 'trained' || state?.kind === 'taken') {
      this.account.duplicate += 1;
      return { verdict: 'duplicate' };
    }
    const turns = state?.turns ?? 0;
    known.parts.set(part, { kind: 'taken', turns });
    this.account.taken += 1;
    return { verdict: 'taken', turns };
  }

  /** Notes that a job has so many parts. @returns whether somebody must still bring some */
  end(job: number, parts: number, nowMs: number): Verdict {
    const known = this.#heard(job, nowMs);
    if (!known) return 'done';
    known.count = parts;
    this.#close(known);
    return 'done';
  }

  /** Notes that a draw of a part is trained on (or left out), and whether it was the last. */
  trained(job: number, part: number, isLast: boolean): void {
    const known = this.open.get(job)!; // its part was taken
    const state = known.parts.get(part);
    if (isLast) known.parts.set(part, { kind: 'trained' });
    else if (state?.kind === 'taken') state.turns += 1;
    this.#close(known);
  }

  /** Frees grants whose worker was silent too long. @returns whether there were any */
  sweep(nowMs: number): boolean {
    let swept = false;
    for (const { parts } of this.open.values())
      for (const [part, state] of parts) {
        if (state.kind !== 'granted' || state.untilMs > nowMs) continue;
        if (state.turns > 0) parts.set(part, { kind: 'begun', turns: state.turns });
        else parts.delete(part);
        this.account.lost += 1;
        swept = true;
      }
    return swept;
  }

  #heard(job: number, nowMs: number): OpenJob | undefined {
    const known = this.open.get(job);
    if (known) known.heardMs = nowMs;
    return known;
  }

  #close({ job, count: expected, parts }: OpenJob): void {
    if (expected === undefined) return;
    for (let part = 0; part < expected; part++) if (parts.get(part)?.kind !== 'trained') return;
    this.open.delete(job);
  }

  state(): Position {
    const open = [...this.open.values()].map(({ job, phase, parts }) => ({
      job,
      phase,
      trained: [...parts].flatMap(([part, { kind }]) => (kind === 'trained' ? [part] : [])),
      begun: [...parts].flatMap(([part, state]) =>
        state.kind !== 'trained' && state.turns > 0 ? [{ part, turns: state.turns }] : [],
      ),
    }));
    const { order, places } = this.#options;
    return { kind: 'fleet', order, places, next: this.#next, open, account: { ...this.account } } satisfies LedgerState;
  }

  /** Takes up the jobs of an earlier life: all that were not done with are to be given out again. */
  restore({ next, open, account }: LedgerState, nowMs: number): void {
    this.#next = next;
    Object.assign(this.account, account);
    for (const { job, phase, trained, begun } of open) {
      const { parts } = this.#add(job, phase, nowMs);
      for (const part of trained) parts.set(part, { kind: 'trained' });
      for (const { part, turns } of begun) parts.set(part, { kind: 'begun', turns });
    }
  }
}

/** Reads a position that a fleet's checkpoint holds. @throws {OptionsError} when it is another kind of stream's */
export const parseLedgerState = (position: Position): LedgerState =>
  parseOptions('fit(): `resume` with a fleet: the position', LedgerState, position);
