import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, type Consumer, type JsMsg } from '@nats-io/jetstream';
import { fuse } from '../engine/layers/fuse.ts';
import type { Engine } from '../engine/engine.ts';
import { isTaustreamError, messageOf } from '../errors.ts';
import { openHead } from '../model/head.ts';
import { parseOptions } from '../options.ts';
import type { Pipeline } from '../pipeline.ts';
import { WorkerOptions, type WorkerSettings } from './cluster-options.ts';
import { connectTo, type Connection } from './connect.ts';
import { fingerprintOf, orderOf } from './fingerprint.ts';
import { Deliveries } from './deliveries.ts';
import { packPart } from './part.ts';
import { JobScoring } from './job-scoring.ts';
import {
  type Answer,
  Job,
  News,
  protocolVersion,
  subjectsOf,
  unpack,
  workersConsumer,
  type Subjects,
} from './protocol.ts';
import { schemeFor, valuesOf } from './settings.ts';
import { refusedBy, TrainerLine, type DeliveryVerdict } from './trainer-line.ts';
import { WorkerParameters } from './worker-parameters.ts';

/** What a worker is told beside plain values. */
export type WorkerChoices = WorkerOptions & {
  readonly engine: Engine;
  readonly signal?: AbortSignal;
  readonly onNote?: (line: string) => void;
};

/** What a worker has done. */
export interface WorkerSummary {
  jobs: number;
  parts: number;
  samples: number;
  duplicates: number;
}

type Welcome = Extract<Answer, { kind: 'welcome' }>;

/** How long a worker waits for a job until it looks whether anything else has happened. */
const pullMs = 1000;

/**
 * Works for a trainer with the same pipeline: fills presamples from the stretches of the corpus that it is given, scores
 * them with the trainer's newest parameters, draws, weighs, and sends the drawn rows. Resolves when the signal aborts, or
 * with `once` when the run is over.
 *
 * @throws {ClusterError} when there is no server, it refuses, or the trainer's pipeline is another
 * @throws {TaustreamError} when corpus or model cannot be opened or samples cannot be scored; the trainer is told
 * @example
 * const engine = await useEngine('wasm');
 * await scoreForFleet(pipeline, { url: 'nats://token@10.0.0.5:4222', run: 'speeches', engine, signal });
 */
export async function scoreForFleet(pipeline: Pipeline, choices: WorkerChoices): Promise<WorkerSummary> {
  const { engine, signal = new AbortController().signal, onNote = () => {}, ...plain } = choices;
  const settings = parseOptions('scoreForFleet()', WorkerOptions, plain);
  const connection = await connectTo(settings, `taustream worker ${settings.run}`);
  const worker = new Worker(pipeline, settings, connection, { engine, signal, onNote });
  let reason = 'done';
  try {
    return await worker.work();
  } catch (error) {
    reason = messageOf(error);
    throw error;
  } finally {
    await worker.close(reason);
  }
}

class Worker {
  readonly #pipeline: Pipeline;
  readonly #settings: WorkerSettings;
  readonly #connection: Connection;
  readonly #context: Required<Pick<WorkerChoices, 'engine' | 'signal' | 'onNote'>>;
  readonly #subjects: Subjects;
  readonly #line: TrainerLine;
  readonly #summary: WorkerSummary = { jobs: 0, parts: 0, samples: 0, duplicates: 0 };
  #over = '';
  #consumer: Consumer | undefined;

  constructor(
    pipeline: Pipeline,
    settings: WorkerSettings,
    connection: Connection,
    context: Required<Pick<WorkerChoices, 'engine' | 'signal' | 'onNote'>>,
  ) {
    this.#pipeline = pipeline;
    this.#settings = settings;
    this.#connection = connection;
    this.#context = context;
    this.#subjects = subjectsOf(settings.run);
    this.#line = new TrainerLine(connection, this.#subjects, settings, context.signal);
  }

  async work(): Promise<WorkerSummary> {
    const { signal } = this.#context;
    const news = this.#connection.nats.subscribe(this.#subjects.news, {
      callback: (error, message) => {
        if (!error) this.#over = unpack('News', News, message.data).incarnation;
      },
    });
    try {
      let served = 0;
      while (!signal.aborted) {
        const welcome = await this.#hello(this.#settings.once && served > 0);
        if (!welcome) break;
        served += 1;
        await this.#serve(welcome);
        if (this.#settings.once && this.#over === welcome.incarnation) break;
      }
    } finally {
      news.unsubscribe();
    }
    return this.#summary;
  }

  /**
   * Waits for a trainer.
   * @param isImpatient not for long: the last one may have ended without a word that came through, or is started anew
   */
  async #hello(isImpatient: boolean): Promise<Welcome | undefined> {
    const { signal, onNote } = this.#context;
    const endMs = performance.now() + (isImpatient ? 1000 * this.#settings.patienceSeconds : Infinity);
    let said = false;
    while (!signal.aborted && performance.now() < endMs) {
      const answer = await this.#line.ask({ kind: 'hello', protocol: protocolVersion });
      if (answer?.kind === 'welcome') return answer;
      if (answer?.kind === 'refused') throw refusedBy(this.#settings.run, answer.message);
      if (!said) onNote(`waiting for a trainer of run \`${this.#settings.run}\``);
      said = true;
      await sleep(500, undefined, { signal }).catch(() => {}); // the loop ends
    }
    return undefined;
  }

  /** Works for one life of a trainer. */
  async #serve(welcome: Welcome): Promise<void> {
    const { engine, signal, onNote } = this.#context;
    const { settings } = welcome;
    const values = valuesOf(settings);
    const scheme = schemeFor(settings, this.#pipeline.options.scheme);
    const context = { seed: settings.seed, engine, signal };
    const corpus = await this.#pipeline.openCorpus(context);
    const model = await this.#pipeline.buildModel({ ...context, corpus });
    try {
      fuse(model);
      const order = orderOf(corpus.train, settings);
      this.#line.incarnation = welcome.incarnation;
      this.#consumer = undefined;
      const fingerprint = fingerprintOf(this.#settings.run, corpus, model, order);
      const answer = await this.#line.ask({ kind: 'join', machine: hostname(), fingerprint });
      if (answer?.kind === 'refused') throw refusedBy(this.#settings.run, answer.message);
      if (answer?.kind !== 'joined') return;
      onNote(`joined run \`${this.#settings.run}\` (${corpus.train.name})`);
      const head = openHead(model);
      const scoring = new JobScoring({ head, scheme, values, corpus: corpus.train, order });
      const parameters = new WorkerParameters({
        connection: this.#connection,
        subjects: this.#subjects,
        line: this.#line,
        model,
        versionsBehind: this.#settings.versionsBehind,
      });
      await this.#pull(scoring, parameters, welcome);
    } finally {
      model.optimizer?.dispose();
      model.dispose();
    }
  }

  async #pull(scoring: JobScoring, parameters: WorkerParameters, welcome: Welcome): Promise<void> {
    const { signal, onNote } = this.#context;
    while (!signal.aborted && this.#over !== welcome.incarnation) {
      const message = await this.#next();
      const outcome = message ? await this.#do(message, scoring, parameters, welcome) : 'given up';
      if (outcome === 'given up' && !(await this.#line.isKnown())) return; // what it left on the server is for its next life
      if (outcome === 'stale') {
        onNote('the trainer has begun anew');
        return;
      }
    }
  }

  /** A job, or nothing for now: none is free, or the server is away. */
  async #next(): Promise<JsMsg | null> {
    try {
      const { jobsStream } = this.#subjects;
      this.#consumer ??= await jetstream(this.#connection.nats).consumers.get(jobsStream, workersConsumer);
      return await this.#consumer.next({ expires: pullMs });
    } catch (error) {
      if (this.#connection.nats.isClosed()) throw error;
      this.#consumer = undefined;
      await sleep(200);
      return null;
    }
  }

  /** Does one job, and holds on to it meanwhile. */
  async #do(
    message: JsMsg,
    scoring: JobScoring,
    parameters: WorkerParameters,
    { incarnation, ackWaitMs }: Welcome,
  ): Promise<'done' | 'stale' | 'given up'> {
    const holding = setInterval(() => message.working(), ackWaitMs / 3);
    try {
      const job = unpack('Job', Job, message.data);
      if (job.incarnation !== incarnation) {
        const now = await this.#line.ask({ kind: 'hello', protocol: protocolVersion });
        if (now?.kind === 'welcome' && now.incarnation === job.incarnation) {
          message.nak();
          return 'stale';
        }
        message.term('of an earlier trainer');
        return 'done';
      }
      const verdict = await this.#score(job, scoring, parameters);
      if (verdict === 'done')
        await message.ackAck().catch(() => false); // else it comes again, and is found done
      else message.nak();
      return verdict;
    } catch (error) {
      message.nak();
      throw error;
    } finally {
      clearInterval(holding);
    }
  }

  /** Sends each part while it scores the next: neither waits for the other's way. */
  async #score(job: Job, scoring: JobScoring, parameters: WorkerParameters): Promise<'done' | 'stale' | 'given up'> {
    const { signal } = this.#context;
    const parts = scoring.open(job, signal);
    const deliveries = new Deliveries<DeliveryVerdict>();
    let part = 0;
    try {
      for await (const presample of parts.presamples) {
        using held = presample;
        const offered = await this.#line.untilAnswered({ kind: 'offer', job: job.job, part });
        if (offered.kind === 'stale' || offered.kind === 'given up') return offered.kind;
        if (offered.kind === 'done') return 'done';
        if (offered.kind === 'go') {
          if (job.phase === 'importance' && !(await parameters.refresh(offered.parameters))) return 'given up';
          const { version } = parameters;
          const content = await scoring.score(job, part, held, version);
          const [number, bytes] = [part, packPart(content)];
          const before = await deliveries.begin('taken', () => this.#deliver(job.job, number, bytes, content.rows));
          if (before !== undefined && before !== 'taken') return before;
        } else this.#summary.duplicates += 1;
        part += 1;
      }
      const last = await deliveries.settled();
      if (last !== undefined && last !== 'taken') return last;
    } catch (error) {
      if (isTaustreamError(error) && error.code !== 'ERR_CLUSTER')
        await this.#line
          .ask({ kind: 'fail', job: job.job, code: error.code, message: error.message })
          .catch(() => undefined);
      throw error;
    } finally {
      await deliveries.settled().catch(() => {}); // the job ends by what came before
    }
    if (signal.aborted) return 'given up';
    const { samples, left } = parts.counts();
    const ended = await this.#line.untilAnswered({ kind: 'end', job: job.job, parts: part, samples, left });
    this.#summary.jobs += 1;
    return ended.kind === 'done' ? 'done' : ended.kind === 'stale' ? 'stale' : 'given up';
  }

  async #deliver(job: number, part: number, bytes: Uint8Array, rows: number): Promise<DeliveryVerdict> {
    const verdict = await this.#line.deliver(job, part, bytes);
    if (verdict !== 'taken') return verdict;
    this.#summary.samples += rows;
    this.#summary.parts += 1;
    return verdict;
  }

  async close(reason: string): Promise<void> {
    const { nats } = this.#connection;
    if (nats.isClosed()) return;
    await this.#line.leave(reason);
    await nats.close().catch(() => {}); // closed is closed
  }
}
