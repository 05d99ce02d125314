import { ClusterError, messageOf, type TaustreamError } from '../errors.ts';
import { errorOf } from '../importance/placement/failure.ts';
import type { Schema } from '../stream/columns.ts';
import { Assembly } from './chunks.ts';
import { differences } from './fingerprint.ts';
import type { Ledger } from './ledger.ts';
import { unpackPart, type Part } from './part.ts';
import { protocolVersion, type Answer, type Fingerprint, type Question, type Settings } from './protocol.ts';
import { Roster } from './roster.ts';

/** A part that has come, and how many of its draws an earlier life of the trainer has trained on. */
export interface Delivered {
  readonly job: number;
  readonly part: number;
  readonly content: Part;
  readonly turnsBefore: number;
}

export interface DeskOptions {
  readonly incarnation: string;
  readonly settings: Settings;
  readonly fingerprint: Fingerprint;
  readonly schema: Schema;
  readonly ackWaitMs: number;
  readonly ledger: Ledger;
  /** The newest parameters that were published. */
  readonly parameters: () => number;
  readonly status: () => unknown;
  readonly onDelivered: (delivered: Delivered) => void;
  /** Told of an error in the data or the model that any worker would come upon. */
  readonly onFailure: (error: TaustreamError) => void;
  readonly onNote: (line: string) => void;
}

type Asked<Kind extends Question['kind']> = Extract<Question, { kind: Kind }>;
type Respond = (answer: Answer) => void;

/** An offer without an answer yet. */
interface Held {
  readonly question: Asked<'offer'>;
  readonly respond: Respond;
  readonly untilMs: number;
}

/** How long an offer waits for room before it is answered that there is none. */
const holdMs = 2000;
/** Bytes of parts that came in pieces and are not whole yet. */
const assemblyBytes = 256 * 1024 * 1024;
/** What would go wrong with any worker: another try is of no use. */
const hopeless = new Set(['ERR_SCORE', 'ERR_LABEL', 'ERR_SHAPE', 'ERR_MODEL', 'ERR_OPTIONS']);
/** A job that so many workers could not do ends the run. */
const mostFailures = 3;

/** Answers the workers' questions. It knows no network: what it is asked and what it answers are plain values. */
export class Desk {
  readonly roster: Roster;
  readonly #options: DeskOptions;
  readonly #assembly = new Assembly(assemblyBytes);
  readonly #failures = new Map<number, number>();
  #held: Held[] = [];

  constructor(options: DeskOptions) {
    this.#options = options;
    this.roster = new Roster(3 * options.ackWaitMs);
  }

  answer(question: Question, respond: Respond, nowMs: number): void {
    if (question.kind === 'hello') return respond(this.#hello(question));
    if (question.kind === 'status') return respond({ kind: 'status', status: this.#options.status() });
    if (question.incarnation !== this.#options.incarnation) {
      if (question.kind === 'part') this.#options.ledger.account.stale += 1;
      return respond({ kind: 'stale' });
    }
    if (question.kind === 'join') return respond(this.#join(question, nowMs));
    if (!this.roster.heard(question.worker, nowMs)) return respond({ kind: 'stale' });
    if (question.kind === 'beat') return respond({ kind: 'joined' });
    if (question.kind === 'offer') return this.#offer(question, respond, nowMs);
    respond(this.#take(question, nowMs));
  }

  /** Lets waiting offers in where there is room now, and answers those that waited too long. */
  tend(nowMs: number): void {
    const held = this.#held;
    this.#held = [];
    for (const one of held) {
      const kind = this.#options.ledger.offer(one.question.job, one.question.part, one.question.worker, nowMs);
      if (kind !== 'wait') one.respond(this.#verdict(kind));
      else if (nowMs >= one.untilMs) one.respond({ kind });
      else this.#held.push(one);
    }
  }

  #hello({ protocol, worker }: Asked<'hello'>): Answer {
    const { incarnation, settings, ackWaitMs } = this.#options;
    if (protocol === protocolVersion)
      return { kind: 'welcome', protocol: protocolVersion, incarnation, settings, ackWaitMs };
    const message = `expected protocol ${protocolVersion}, got ${String(protocol)}. Use one version of taustream everywhere.`;
    this.#options.onNote(`worker ${worker} refused: ${message}`);
    return { kind: 'refused', message };
  }

  #join({ worker, machine, fingerprint }: Asked<'join'>, nowMs: number): Answer {
    const differing = differences(this.#options.fingerprint, fingerprint);
    if (differing.length > 0) {
      const message =
        `expected the trainer's pipeline, got one of which these differ: ${differing.join('; ')}. ` +
        'Run the same file, corpus and version of taustream everywhere.';
      this.#options.onNote(`worker ${worker} refused: ${message}`);
      return { kind: 'refused', message };
    }
    this.roster.join(worker, machine, nowMs);
    this.#options.onNote(`worker ${worker} joined from ${machine}`);
    return { kind: 'joined' };
  }

  #offer(question: Asked<'offer'>, respond: Respond, nowMs: number): void {
    const kind = this.#options.ledger.offer(question.job, question.part, question.worker, nowMs);
    if (kind === 'wait') this.#held.push({ question, respond, untilMs: nowMs + holdMs });
    else respond(this.#verdict(kind));
  }

  #verdict(kind: 'go' | 'duplicate' | 'done'): Answer {
    return kind === 'go' ? { kind, parameters: this.#options.parameters() } : { kind };
  }

  #take(question: Asked<'part' | 'end' | 'fail' | 'leave'>, nowMs: number): Answer {
    const { ledger, onNote } = this.#options;
    if (question.kind === 'part') return this.#part(question, nowMs);
    if (question.kind === 'leave') {
      this.roster.leave(question.worker);
      onNote(`worker ${question.worker} left: ${question.reason}`);
      return { kind: 'done' };
    }
    if (question.kind === 'fail') return this.#fail(question);
    const isNews = ledger.open.get(question.job)?.count === undefined;
    if (isNews && ledger.open.has(question.job)) ledger.account.badSamples += question.left;
    return { kind: ledger.end(question.job, question.parts, nowMs) === 'done' ? 'done' : 'wait' };
  }

  #part({ worker, job, part, chunk, chunks, bytes }: Asked<'part'>, nowMs: number): Answer {
    const { ledger, schema, onDelivered, onNote } = this.#options;
    const whole = this.#assembly.add(`${worker}/${job}/${part}`, chunk, chunks, bytes);
    if (!whole) return { kind: 'more' };
    let content: Part;
    try {
      content = unpackPart(whole, schema);
    } catch (error) {
      const message = messageOf(error);
      onNote(`worker ${worker} refused: ${message}`);
      return { kind: 'refused', message };
    }
    const taken = ledger.take(job, part, nowMs);
    if (!('turns' in taken)) return { kind: taken.verdict === 'done' ? 'done' : 'duplicate' };
    this.roster.delivered(worker, content.rows, content.scoreMs);
    onDelivered({ job, part, content, turnsBefore: taken.turns });
    return { kind: 'taken' };
  }

  #fail({ worker, job, code, message }: Asked<'fail'>): Answer {
    const { onFailure, onNote } = this.#options;
    const failures = (this.#failures.get(job) ?? 0) + 1;
    this.#failures.set(job, failures);
    onNote(`worker ${worker} could not do job ${job}: ${message}`);
    if (failures >= mostFailures || (code !== undefined && hopeless.has(code)))
      onFailure(
        code === undefined
          ? new ClusterError(`Worker ${worker}: ${message}`, { worker, job })
          : errorOf({ code, message, facts: { worker, job } }, `Worker ${worker}`),
      );
    return { kind: 'done' };
  }
}
