import type { Gate, Phase, Turnstile } from '../../stream/gate.ts';
import { nextWake } from '../../stream/turnstile.ts';

/** What was settled about a presample before it is filled. */
export interface Ticket {
  readonly phase: Phase;
  /** Steps that the parameters had taken that it will be scored with. */
  readonly version: number;
}

export interface TicketOptions {
  /** Presamples that may be scored ahead of the trainer. */
  readonly ahead: number;
  /** Steps after which the parameters are new enough to be sent again. */
  readonly parametersEvery: number;
  readonly gate: Gate;
  /** Told, when a ticket is issued, with which parameters a presample will be scored. */
  readonly onScored: (version: number) => void;
}

/**
 * The turnstile of the pipelined mode: scoring runs ahead of training, and all the same a seed gives the same minibatches.
 *
 * A ticket is issued whenever the trainer has done with a presample, and `ahead + 1` of them at the start. It settles
 * there and then, between two steps, what a later presample will be: b or B samples, by the gate of that moment, and the
 * parameters that score it. So neither depends on how fast samples are read or scored. And a presample is handed on to be
 * drawn from only when the trainer has done with the one before (`turnOf`), so the gate hears of scores, and random
 * numbers are drawn, in one order only.
 *
 *     presample n (from 0) is filled and scored as after step n − ahead, and drawn from after step n      (one draw each)
 */
export class Tickets implements Turnstile {
  /** The gate as it stood for the ticket that was taken last. */
  readonly gate: Gate;
  readonly #options: TicketOptions;
  readonly #issued: Ticket[] = [];
  readonly #taken: Ticket[] = [];
  #current: Gate;
  #states: Gate[] = [];
  #version = 0;
  #sent = -Infinity;
  #left = 0;
  #isBegun = false;
  #waiting: (() => void)[] = [];

  constructor(options: TicketOptions) {
    this.#options = options;
    this.#current = options.gate;
    const current = () => this.#current;
    this.gate = {
      get isOpen() {
        return current().isOpen;
      },
      get tau() {
        return current().tau;
      },
      observe: (scores) => options.gate.observe(scores),
    };
  }

  get version(): number {
    return this.#version;
  }

  async enter(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#begin();
    await this.#until(() => this.#issued.length > 0, signal);
    this.#taken.push(this.#issued.shift()!);
    this.#current = this.#states.shift()!;
  }

  /** The ticket of the next presample, in the order in which they were filled. */
  next(): Ticket {
    return this.#taken.shift()!; // a presample was filled for each
  }

  /** Resolves when the trainer has done with all presamples before the n-th, from 0. */
  async turnOf(n: number, signal?: AbortSignal): Promise<void> {
    await this.#until(() => this.#left >= n, signal);
  }

  stepped(): void {
    this.#version += 1;
  }

  leave(): void {
    this.#left += 1;
    this.#issue();
    this.#wake();
  }

  open(): void {
    this.#left = Infinity;
    this.#wake();
  }

  /** Not at once: until the first fill, a run that goes on puts the gate back as it was. */
  #begin(): void {
    if (this.#isBegun) return;
    this.#isBegun = true;
    for (let i = 0; i <= this.#options.ahead; i++) this.#issue();
  }

  #issue(): void {
    const { gate, parametersEvery, onScored } = this.#options;
    const { isOpen, tau } = gate;
    this.#states.push({ isOpen, tau, observe: () => {} });
    if (isOpen && this.#version - this.#sent >= parametersEvery) this.#sent = this.#version;
    if (isOpen) onScored(this.#sent);
    this.#issued.push(
      isOpen ? { phase: 'importance', version: this.#sent } : { phase: 'uniform', version: this.#version },
    );
  }

  async #until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    while (!condition()) await nextWake((resolve) => this.#waiting.push(resolve), signal);
  }

  #wake(): void {
    const woken = this.#waiting;
    this.#waiting = [];
    for (const resolve of woken) resolve();
  }
}
