import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { ClusterError } from '../errors.ts';
import { chunksOf } from './chunks.ts';
import type { WorkerSettings } from './cluster-options.ts';
import type { Connection } from './connect.ts';
import { Answer, pack, unpack, type Question, type Subjects } from './protocol.ts';

/** A question without what every question has. */
type Bare<Q = Question> = Q extends unknown ? Omit<Q, 'worker' | 'incarnation'> : never;

/** What became of a part that was sent. */
export type DeliveryVerdict = 'taken' | 'done' | 'stale' | 'given up';

/** How long an answer is waited for until the question is put again. */
const askMs = 4000;

/** A worker's line to its trainer: what is lost on the way is asked again, until patience ends. */
export class TrainerLine {
  readonly id = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  /** The trainer's life that this worker works for. */
  incarnation = '';
  readonly #connection: Connection;
  readonly #subjects: Subjects;
  readonly #settings: WorkerSettings;
  readonly #signal: AbortSignal;

  constructor(connection: Connection, subjects: Subjects, settings: WorkerSettings, signal: AbortSignal) {
    this.#connection = connection;
    this.#subjects = subjects;
    this.#settings = settings;
    this.#signal = signal;
  }

  /** Whether the trainer is there, and still counts on this worker. */
  async isKnown(): Promise<boolean> {
    return (await this.ask({ kind: 'beat' }))?.kind === 'joined';
  }

  /** Sends a part, in pieces if it is large. */
  async deliver(job: number, part: number, bytes: Uint8Array): Promise<DeliveryVerdict> {
    const chunks = chunksOf(bytes, this.#connection.chunkBytes);
    for (;;) {
      let last: Answer | undefined;
      for (const [chunk, stretch] of chunks.entries()) {
        const asked = await this.untilAnswered({
          kind: 'part',
          job,
          part,
          chunk,
          chunks: chunks.length,
          bytes: stretch,
        });
        if (asked.kind === 'given up') return 'given up';
        last = asked;
        if (asked.kind !== 'more') break;
      }
      if (last?.kind === 'refused') throw refusedBy(this.#settings.run, last.message);
      if (last?.kind === 'stale' || last?.kind === 'done') return last.kind;
      if (last?.kind === 'taken' || last?.kind === 'duplicate') return 'taken';
    }
  }

  /** Asks until there is an answer, or the trainer is gone or silent for too long. */
  async untilAnswered(question: Bare): Promise<Answer | { readonly kind: 'given up' }> {
    const endMs = performance.now() + 1000 * this.#settings.patienceSeconds;
    while (performance.now() < endMs && !this.#signal.aborted) {
      const answer = await this.ask(question);
      if (!answer) return { kind: 'given up' };
      if (answer.kind !== 'wait') return answer;
    }
    return { kind: 'given up' };
  }

  /** @returns nothing when no trainer is there */
  async ask(question: Bare): Promise<Answer | undefined> {
    const endMs = performance.now() + 1000 * this.#settings.patienceSeconds;
    const bytes = pack({ ...question, worker: this.id, incarnation: this.incarnation });
    for (let attempt = 1; ; attempt++) {
      try {
        const { data } = await this.#connection.nats.request(this.#subjects.ask, bytes, { timeout: askMs });
        return unpack('Answer', Answer, data);
      } catch (cause) {
        if (cause instanceof ClusterError) throw cause;
        const { message, name } = cause as Error; // whatever the client throws is one
        if (/no ?responders/iu.test(`${name} ${message}`)) return undefined;
        if (this.#signal.aborted) return undefined;
        const isOver = attempt > 1 && performance.now() >= endMs; // who stood still itself has not listened: once more
        if (this.#connection.nats.isClosed() || isOver)
          throw new ClusterError(
            `${this.#connection.where}: expected an answer within ${this.#settings.patienceSeconds} s, got ${message}. Check the network and the server.`,
            {},
            { cause },
          );
      }
    }
  }

  /** Says goodbye. Never throws. */
  async leave(reason: string): Promise<void> {
    const leave = { kind: 'leave', reason, worker: this.id, incarnation: this.incarnation };
    await this.#connection.nats.request(this.#subjects.ask, pack(leave), { timeout: 500 }).catch(() => undefined); // or nobody is there
  }
}

export const refusedBy = (run: string, message: string): ClusterError =>
  new ClusterError(`Run \`${run}\`: the trainer refuses this worker: ${message}`);
