import { createServer, type Server, type Socket } from 'node:net';
import { z } from 'zod';
import { isSameToken } from '../access.ts';
import { ConsumerError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import type { Presample } from '../stream/presample.ts';
import type { Corpus } from '../stream/sample.ts';
import { Condition } from './condition.ts';
import { Connection } from './connection.ts';
import { encodeFrame, frameKinds, type Frame } from './frames.ts';
import { listen, type Address } from './listen.ts';
import { columnsFrame, Done, floatsOf, Greeting, readHeader, Scores } from './messages.ts';
import type { MinibatchOptions } from './minibatch-options.ts';
import { minibatches, type Minibatches } from './minibatches.ts';
import type { WeightedBatch } from './weighted-batch.ts';

export const ServeValues = z.strictObject({
  /** Batches after which to stop. */
  steps: z.int().positive().optional(),
  /** Seconds after which to stop, from the first consumer on. */
  seconds: z.number().positive().optional(),
  /** Milliseconds to wait for a consumer, at the start and after one was lost. @default 30000 – guess */
  patienceMs: z.number().nonnegative().default(30_000),
});

export type ServeOptions = z.input<typeof ServeValues> & {
  readonly listen: Address;
  /** Told where it listens: a path, or host and port. */
  readonly onListening?: (address: string) => void;
  /** Told what goes on: a consumer has come, or is lost. */
  readonly onNote?: (line: string) => void;
};

/** What was served. */
export interface ServeSummary {
  readonly batches: number;
  readonly samples: number;
  readonly stoppedBy: 'steps' | 'seconds' | 'end' | 'consumer' | 'signal';
}

/** A batch that its consumer has not done with yet. */
interface Outstanding {
  readonly batch: WeightedBatch;
  readonly frame: readonly Uint8Array[];
}

/** A presample that the consumer is asked to score. */
interface Asked {
  readonly request: number;
  readonly size: number;
  readonly frame: readonly Uint8Array[];
  answer?: Float32Array;
}

/**
 * Serves weighted minibatches to one consumer in another process, by the frames of docs/frames.md. The consumer says
 * what it sends back, and how many batches it may hold; nothing is read from the corpus beyond that.
 *
 * A consumer that is lost, or breaks the protocol, may connect anew for `patienceMs`: it gets the batches again that it
 * had not done with.
 *
 * @returns what was served, once the consumer has done with all of it or has said that it wants no more
 * @throws {ConsumerError} when the address is taken, or no consumer comes in time
 * @example
 * await serveMinibatches(corpus, { batchSize: 32, seed: 7 }, { listen: { socket: 'batches.sock' }, steps: 1000 });
 */
export async function serveMinibatches(
  corpus: Corpus,
  options: Omit<MinibatchOptions, 'scorer'>,
  serving: ServeOptions,
): Promise<ServeSummary> {
  const { listen: address, onListening, onNote = () => {}, ...plain } = serving;
  const values = parseOptions('serveMinibatches()', ServeValues, plain);
  const run = new Serving(corpus, options, {
    ...values,
    onNote,
    token: 'token' in address ? address.token : undefined,
  });
  try {
    onListening?.(await listen(run.server, address));
    return await run.go();
  } finally {
    await run.close();
  }
}

type Settings = z.output<typeof ServeValues> & {
  readonly onNote: (line: string) => void;
  readonly token: string | undefined;
};

class Serving {
  readonly server: Server;
  readonly #corpus: Corpus;
  readonly #options: Omit<MinibatchOptions, 'scorer'>;
  readonly #settings: Settings;
  readonly #state = new Condition();
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #strangers = new Set<Socket>();
  #connection: Connection | undefined;
  #greeting: Greeting | undefined;
  #batches: Minibatches | undefined;
  #asked: Asked | undefined;
  #requests = 0;
  #given = 0;
  #samples = 0;
  #wantsNoMore = false;
  #lost: ConsumerError | undefined;
  #failure: ConsumerError | undefined;
  #patience: NodeJS.Timeout | undefined;
  readonly #stopped = () => this.#state.changed();

  constructor(corpus: Corpus, options: Omit<MinibatchOptions, 'scorer'>, settings: Settings) {
    this.#corpus = corpus;
    this.#options = options;
    this.#settings = settings;
    this.server = createServer({ noDelay: true }, (socket) => this.#meet(socket));
    options.signal?.addEventListener('abort', this.#stopped, { once: true });
  }

  async go(): Promise<ServeSummary> {
    this.#wait();
    let stoppedBy: ServeSummary['stoppedBy'] = 'signal';
    try {
      await this.#until(() => this.#greeting !== undefined);
      const { scores, credit } = this.#greeting!;
      this.#batches = minibatches(this.#corpus, {
        ...this.#options,
        held: credit,
        ...(scores === 'presamples' && { scorer: { score: (buffer) => this.#ask(buffer) } }),
        ...(scores === 'reports' && { scorer: 'reported' as const }),
      });
      stoppedBy = await this.#serve(this.#batches);
    } catch (error) {
      if (!this.#options.signal?.aborted) throw error;
    }
    await this.#connection?.send(encodeFrame(frameKinds.end, { batches: this.#given, stoppedBy }));
    return { batches: this.#given, samples: this.#samples, stoppedBy };
  }

  async #serve(batches: Minibatches): Promise<ServeSummary['stoppedBy']> {
    const { steps = Infinity, seconds = Infinity } = this.#settings;
    const begun = performance.now();
    const isLate = () => performance.now() - begun >= 1000 * seconds;
    while (this.#given < steps && !isLate() && !this.#wantsNoMore) {
      const batch = await batches.draw();
      if (!batch) {
        await this.#until(() => this.#outstanding.size === 0);
        return this.#wantsNoMore ? 'consumer' : 'end';
      }
      await this.#give(batch);
      await this.#until(() => this.#outstanding.size < this.#greeting!.credit || this.#wantsNoMore);
    }
    await this.#until(() => this.#outstanding.size === 0 || this.#wantsNoMore);
    if (this.#wantsNoMore) return 'consumer';
    return this.#given < steps ? 'seconds' : 'steps';
  }

  async #give(batch: WeightedBatch): Promise<void> {
    this.#given += 1;
    this.#samples += batch.size;
    // A uniform batch is sent from where it lies; a drawn one takes its rows along, and its presample is free again.
    if (batch.phase === 'importance') batch.detach();
    const { ids, phase, tau, version, weights } = batch;
    const header = { batch: this.#given, phase, tau, version, ids };
    const frame = columnsFrame('batch', header, {
      ...batch.borrowColumns(),
      weights: { type: 'float32', shape: [weights.length], data: weights },
    });
    this.#outstanding.set(this.#given, { batch, frame });
    await this.#connection?.send(frame);
  }

  /** Has the consumer score a presample, whichever connection it answers on. */
  async #ask(buffer: Presample): Promise<Float32Array> {
    const request = ++this.#requests;
    const frame = columnsFrame('score', { request, ids: buffer.ids }, buffer.columns);
    const asked: Asked = { request, size: buffer.size, frame };
    this.#asked = asked;
    void this.#connection?.send(frame);
    await this.#until(() => asked.answer !== undefined || this.#wantsNoMore);
    this.#asked = undefined;
    return asked.answer ?? new Float32Array(buffer.size).fill(1);
  }

  /** A socket is a stranger until it has greeted. */
  #meet(socket: Socket): void {
    this.#strangers.add(socket);
    const limits = { headerBytes: 64 * 1024, payloadBytes: 4 * (this.#options.presampleSize ?? 640) };
    const connection: Connection = new Connection(socket, limits, (frame) => {
      if (connection === this.#connection) this.#hear(frame);
      else this.#greet(connection, frame);
    });
    const timer = setTimeout(() => {
      if (connection !== this.#connection)
        connection.fail(new ConsumerError('Consumer: expected a greeting within 10 seconds, got none. Greet first.'));
    }, 10_000);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#strangers.delete(socket);
      this.#part(connection);
    });
  }

  #part(connection: Connection): void {
    const { failure } = connection;
    if (failure) this.#settings.onNote(failure.message);
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    this.#lost = failure;
    if (!this.#wantsNoMore) this.#wait();
    this.#state.changed();
  }

  #greet(connection: Connection, frame: Frame): void {
    if (frame.kind !== frameKinds.greeting)
      throw new ConsumerError(
        `Consumer: expected a greeting (kind ${frameKinds.greeting}) first, got a frame of kind ${frame.kind}. Greet first.`,
      );
    const greeting = readHeader('greeting', Greeting, frame);
    if (!isSameToken(greeting.token, this.#settings.token ?? ''))
      throw new ConsumerError('Consumer: expected the token that the server was given, got another. Send it.');
    if (this.#connection && !this.#connection.isOver)
      throw new ConsumerError(
        'Consumer: expected to be the only one, but another is connected. Wait until it has left.',
      );
    if (this.#greeting && this.#greeting.scores !== greeting.scores)
      throw new ConsumerError(
        `Consumer: expected one that sends back ${this.#greeting.scores}, as the one before, got one that sends ${greeting.scores}. Connect as before.`,
      );
    this.#greeting = greeting;
    this.#adopt(connection);
  }

  #adopt(connection: Connection): void {
    clearTimeout(this.#patience);
    this.#connection = connection;
    this.#settings.onNote(this.#lost || this.#given > 0 ? 'A consumer is back.' : 'A consumer has come.');
    const { name, schema, length } = this.#corpus;
    const { batchSize = 128, presampleSize = 640 } = this.#options;
    void connection.send(
      encodeFrame(frameKinds.hello, { protocol: 'taustream', corpus: name, length, schema, batchSize, presampleSize }),
    );
    for (const { frame } of this.#outstanding.values()) void connection.send(frame);
    if (this.#asked) void connection.send(this.#asked.frame);
    this.#state.changed();
  }

  #hear(frame: Frame): void {
    if (frame.kind === frameKinds.done) this.#hearDone(frame);
    else if (frame.kind === frameKinds.scores) this.#hearScores(frame);
    else if (frame.kind === frameKinds.bye) this.#wantsNoMore = true;
    else
      throw new ConsumerError(`Consumer: expected done, scores or bye, got a frame of kind ${frame.kind}. Send these.`);
    this.#state.changed();
  }

  #hearDone(frame: Frame): void {
    const { batch: number } = readHeader('done', Done, frame);
    const outstanding = this.#outstanding.get(number);
    if (!outstanding)
      throw new ConsumerError(
        `Consumer: expected to hear of a batch that is out (${[...this.#outstanding.keys()].join(', ') || 'none'}), got ${number}. Say \`done\` once for each.`,
        { batch: number },
      );
    if (frame.payload.length > 0) outstanding.batch.report(floatsOf(frame));
    this.#outstanding.delete(number);
    outstanding.batch.dispose();
  }

  #hearScores(frame: Frame): void {
    const { request } = readHeader('scores', Scores, frame);
    const asked = this.#asked;
    if (!asked || asked.answer || asked.request !== request)
      throw new ConsumerError(
        `Consumer: expected scores of request ${asked && !asked.answer ? asked.request : '(none is open)'}, got them of ${request}. Answer each request once.`,
        { request },
      );
    const scores = floatsOf(frame);
    if (scores.length !== asked.size || scores.some((score) => !(score >= 0 && score < Infinity)))
      throw new ConsumerError(
        `Consumer: expected ${asked.size} finite scores of at least 0 for request ${request}, got ${scores.length}: ${scores.slice(0, 5).join(', ')}${scores.length > 5 ? ', ...' : ''}. Send one for each id.`,
        { request, got: scores.length },
      );
    asked.answer = scores;
  }

  /** Waits for a consumer, but not for ever. */
  #wait(): void {
    clearTimeout(this.#patience);
    const { patienceMs } = this.#settings;
    this.#patience = setTimeout(() => {
      const out = [...this.#outstanding.keys()];
      const what = this.#greeting
        ? `the consumer back (it left with ${out.length} batches out: ${out.join(', ')})`
        : 'a consumer';
      this.#failure = new ConsumerError(
        `serveMinibatches(): expected ${what} within ${patienceMs / 1000} s, got none. Start one, or be more patient.`,
        { unfinished: out, given: this.#given },
        this.#lost && { cause: this.#lost },
      );
      this.#state.changed();
    }, patienceMs);
  }

  #until(holds: () => boolean): Promise<void> {
    return this.#state.until(() => {
      if (this.#failure) throw this.#failure;
      this.#options.signal?.throwIfAborted();
      return holds();
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.#patience);
    this.#options.signal?.removeEventListener('abort', this.#stopped);
    for (const { batch } of this.#outstanding.values()) batch.dispose();
    await this.#batches?.return();
    if (this.#failure) this.#connection?.fail(this.#failure);
    else this.#connection?.end();
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.#strangers) if (!this.#connection) socket.destroy();
    await this.#connection?.closed;
    for (const socket of this.#strangers) socket.destroy();
    await closed.catch(() => {}); // it never listened
  }
}
