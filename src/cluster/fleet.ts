import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { PipelineCorpus } from '../pipeline.ts';
import { parseOptions } from '../options.ts';
import { Minibatch } from '../stream/minibatch.ts';
import { Presample } from '../stream/presample.ts';
import type { Position } from '../stream/sample.ts';
import type { BatchSource, OpenBatchSource, SourceContext } from '../train/batch-source.ts';
import { Bell } from './bell.ts';
import { FleetOptions, publicationEvery, type FleetSettings } from './cluster-options.ts';
import { connectTo, explain, type Connection } from './connect.ts';
import { Desk, type Delivered } from './desk.ts';
import { expectAlone, expectPlain, starvedError } from './fleet-checks.ts';
import { fingerprintOf, orderOf } from './fingerprint.ts';
import { letHeapGrow } from './heap-growth.ts';
import { JobQueue, lostJobs } from './job-queue.ts';
import type { Ledger, OpenJob } from './ledger.ts';
import { openLedger } from './open-ledger.ts';
import { ParameterPublisher } from './parameter-publisher.ts';
import { pack, Question, type Answer, subjectsOf, unpack } from './protocol.ts';
import { Room } from './room.ts';
import { settingsOf } from './settings.ts';
import { StatusReporter } from './status-reporter.ts';
import { describeFleet, Ages, type FleetReport, type FleetStatus } from './status.ts';

/** What `fleet` is told beside plain values. */
export type FleetChoices = FleetOptions & {
  /** The pipeline's corpus with its files, so that workers with others are refused. @default the corpus alone */
  readonly corpus?: PipelineCorpus;
  /** Told what happens: workers that come and go, a server that is lost. */
  readonly onNote?: (line: string) => void;
  /** Told once a second how the fleet is: workers, their rates, ages of scores, what waits. */
  readonly onStatus?: (report: FleetReport) => void;
};

/**
 * Trains on minibatches that workers on other machines fill, score, draw and weigh (`scoreForFleet`), for the option
 * `source` of `fit`. Each sample is offered exactly once an epoch; a worker's job that was lost with it is given to
 * another, and whatever comes twice is trained on once.
 *
 * DEVIATION: the corpus is divided by ranges of places of its seeded order, not by leases on shards: a place is opened in
 * milliseconds, so a job names exactly its samples, whoever does it. A corpus without places is refused.
 *
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {ClusterError} from `fit`, when there is no server, it refuses, or no worker brings a minibatch in time
 * @example
 * const source = fleet({ url: 'nats://token@127.0.0.1:4222', run: 'speeches' });
 * await fit(model, corpus, { source, steps: 1000, batchSize: 32, presampleSize: 96 });
 */
export function fleet(choices: FleetChoices): OpenBatchSource {
  const { corpus, onNote = () => {}, onStatus, ...plain } = choices;
  const settings = parseOptions('fleet()', FleetOptions, plain);
  return (context) => new Fleet(settings, context, corpus ?? { train: context.corpus }, { onNote, onStatus });
}

const tendMs = 200;

interface Told {
  readonly onNote: (line: string) => void;
  readonly onStatus: FleetChoices['onStatus'] | undefined;
}

class Fleet implements BatchSource {
  readonly #settings: FleetSettings;
  readonly #context: SourceContext;
  readonly #data: PipelineCorpus;
  readonly #told: Told;
  readonly #ledger: Ledger;
  readonly #incarnation = randomUUID();
  readonly #bell = new Bell();
  readonly #stop = new AbortController();
  readonly #ready: Delivered[] = [];
  readonly #origins = new WeakMap<Presample, { readonly job: number; readonly part: number }>();
  readonly #publishing = new Set<Promise<void>>();
  readonly #ages = new Ages();
  readonly #room = new Room();
  #desk: Desk | undefined;
  #connection: Connection | undefined;
  #queue: JobQueue | undefined;
  #reporter: StatusReporter | undefined;
  #parameters: ParameterPublisher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failure: Error | undefined;
  #version = 0;
  #seen = 0;
  #waitingSinceMs: number | undefined;
  #checkedMs = 0;

  constructor(settings: FleetSettings, context: SourceContext, data: PipelineCorpus, told: Told) {
    expectPlain(context);
    this.#settings = settings;
    this.#context = context;
    this.#data = data;
    this.#told = told;
    this.#ledger = openLedger(settings, context, this.#room);
  }

  get #workers(): number {
    return this.#desk?.roster.present(performance.now()).length ?? 0;
  }

  async start(signal?: AbortSignal): Promise<void> {
    const { run } = this.#settings;
    signal?.throwIfAborted();
    this.#stop.signal.addEventListener('abort', letHeapGrow(), { once: true });
    const subjects = subjectsOf(run);
    const connection = (this.#connection = await connectTo(this.#settings, `taustream trainer ${run}`));
    const { head } = this.#context;
    await expectAlone(connection, subjects.ask, run);
    const queue = (this.#queue = new JobQueue(connection, subjects, this.#settings));
    await queue.ensure();
    await queue.clear();
    const { onStatus } = this.#told;
    if (onStatus)
      this.#reporter = new StatusReporter({ status: () => this.#status(), waiting: () => queue.waiting(), onStatus });
    const incarnation = this.#incarnation;
    const every = publicationEvery(this.#settings);
    this.#parameters = new ParameterPublisher({ connection, subjects, incarnation, model: head.model, every });
    await queue.retried(() => this.#parameters!.publish(0), this.#stop.signal);
    const desk = (this.#desk = this.#openDesk());
    connection.nats.subscribe(subjects.ask, {
      callback: (error, message) => {
        if (error) return this.#fail(explain(connection.where, error));
        const respond = (answer: Answer) => void message.respond(pack(answer));
        try {
          desk.answer(unpack('Question', Question, message.data), respond, performance.now());
          this.#bell.ring(); // the last word on a job may have been spoken
        } catch (refused) {
          respond({ kind: 'refused', message: messageOf(refused) });
        }
      },
    });
    void this.#watch(connection);
    for (const job of this.#ledger.open.values()) this.#give(job);
    this.#timer = setInterval(() => this.#tend(), tendMs);
  }

  #openDesk(): Desk {
    const { head, corpus, values } = this.#context;
    return new Desk({
      incarnation: this.#incarnation,
      settings: settingsOf(this.#context),
      fingerprint: fingerprintOf(this.#settings.run, this.#data, head.model, orderOf(corpus, values)),
      schema: corpus.schema,
      ackWaitMs: 1000 * this.#settings.ackWaitSeconds,
      ledger: this.#ledger,
      parameters: () => this.#parameters!.published,
      status: () => this.#status(),
      onDelivered: (delivered) => {
        this.#ready.push(delivered);
        this.#bell.ring();
      },
      onFailure: (error) => this.#fail(error),
      onNote: this.#told.onNote,
    });
  }

  async *minibatches(signal: AbortSignal): AsyncGenerator<Minibatch, void, void> {
    while (!signal.aborted) {
      if (this.#failure) throw this.#failure;
      this.#issue();
      const next = this.#ready.shift();
      if (next) {
        this.#waitingSinceMs = undefined;
        this.#room.took(this.#ready.length);
        yield* this.#batchesOf(next);
      } else if (this.#ledger.isExhausted && this.#ledger.open.size === 0) return;
      else {
        if (this.#waitingSinceMs === undefined) this.#room.starved(this.#workers);
        this.#waitingSinceMs ??= performance.now();
        await this.#bell.wait(signal).catch(() => {}); // an abort ends the loop
      }
    }
  }

  *#batchesOf({ job, part, content, turnsBefore }: Delivered): Generator<Minibatch, void, void> {
    const { gate, onScores, onSkip, inFlight } = this.#context;
    const { ids, columns, scores, draws, version, rows, weight, batchSize, skipped } = content;
    if (turnsBefore === 0) this.#seen += rows;
    const phase = scores ? 'importance' : 'uniform';
    const presample: Presample = new Presample(ids, columns, phase, {
      rows,
      weight,
      origin: `${job}/${part}`,
      passed: { taken: this.#seen, waiting: [] },
      ...(batchSize !== undefined && { batchSize }),
      recycle: () => inFlight.remove(presample),
    });
    inFlight.add(presample);
    this.#origins.set(presample, { job, part });
    if (scores) gate.observe(scores);
    if (scores) onScores(presample, scores);
    if (skipped.length > 0) onSkip?.(skipped);
    try {
      for (let turn = turnsBefore; turn < draws.length; turn++) {
        const scale = scores ? this.#scaleBy(this.#version - version) : 1;
        const { weights, ...draw } = draws[turn]!;
        if (scale === 0) {
          this.#ledger.trained(job, part, turn === draws.length - 1);
          continue;
        }
        const scaled = scale === 1 ? weights : weights.map((own) => own * scale);
        const { picks, probabilities, drawTau } = draw;
        yield new Minibatch(presample, {
          picks,
          phase,
          version,
          turn,
          weights: scaled,
          ...(probabilities && { probabilities }),
          ...(drawTau !== undefined && { drawTau }),
          turns: draws.length,
          tau: gate.tau,
        });
      }
    } finally {
      presample.release();
    }
  }

  /** What weights are multiplied by for their age; 0 leaves a minibatch out. */
  #scaleBy(age: number): number {
    const { ageLimit = Infinity, whenOlder } = this.#settings;
    this.#ages.add(age);
    if (age <= ageLimit) return 1;
    if (whenOlder === 'drop') this.#ledger.account.expired += 1;
    else this.#ledger.account.weighedLess += 1;
    return whenOlder === 'drop' ? 0 : ageLimit / age;
  }

  trained(batch: Minibatch): void {
    this.#version += 1;
    this.#ledger.account.trained += 1;
    const { job, part } = this.#origins.get(batch.presample)!; // it came from here
    this.#ledger.trained(job, part, batch.isLast);
    this.#parameters?.offer(this.#version);
    this.#desk?.tend(performance.now());
    this.#bell.ring();
  }

  position(): Position {
    return this.#ledger.state();
  }

  account(): Readonly<Record<string, number>> {
    return { ...this.#ledger.account };
  }

  /** Gives out jobs as long as there are credits, of the kind that the gate asks for now. */
  #issue(): void {
    const credits = this.#settings.credits ?? Math.max(4, 2 * this.#workers);
    while (this.#ledger.open.size < credits) {
      const job = this.#ledger.issue(this.#context.gate.isOpen ? 'importance' : 'uniform', performance.now());
      if (!job) return;
      this.#give(job);
    }
  }

  #give(job: OpenJob): void {
    const publishing = this.#queue!.publish(job, this.#incarnation, this.#stop.signal).catch((error: unknown) =>
      this.#fail(error instanceof Error ? error : new Error(String(error))),
    );
    this.#publishing.add(publishing);
    void publishing.finally(() => this.#publishing.delete(publishing));
  }

  #tend(): void {
    const nowMs = performance.now();
    this.#ledger.sweep(nowMs);
    this.#desk?.tend(nowMs);
    this.#reporter?.tend(nowMs);
    const waitedMs = this.#waitingSinceMs === undefined ? 0 : nowMs - this.#waitingSinceMs;
    if (waitedMs > 1000 * this.#settings.patienceSeconds)
      this.#fail(this.#queue?.trouble ?? starvedError(this.#settings, waitedMs, this.#workers));
    const everyMs = 500 * this.#settings.ackWaitSeconds;
    if (nowMs - this.#checkedMs < everyMs) return;
    this.#checkedMs = nowMs;
    void this.#reissueLost(nowMs).catch(() => {}); // the server is away: looked at again when it is back
    void this.#restoreParameters().catch(() => {}); // likewise
  }

  /** Jobs that the server has lost, or gave to somebody who vanished with them, are given out again. */
  async #reissueLost(nowMs: number): Promise<void> {
    const lost = await lostJobs(this.#ledger, this.#queue!, { nowMs, silentMs: 1500 * this.#settings.ackWaitSeconds }); // started
    for (const job of lost) {
      this.#ledger.reissue(job, nowMs);
      this.#give(job);
    }
  }

  async #restoreParameters(): Promise<void> {
    if (!(await this.#queue!.hasParameters())) await this.#parameters!.again(); // started
  }

  /** A server that comes back may have lost what it was told last. */
  async #watch({ nats, where }: Connection): Promise<void> {
    for await (const { type } of nats.status()) {
      if (this.#stop.signal.aborted) return;
      if (type === 'disconnect') this.#told.onNote(`${where} is lost; looking for it again`);
      if (type !== 'reconnect') continue;
      this.#told.onNote(`${where} is back`);
      await this.#recover().catch((error: unknown) => this.#fail(error as Error)); // one of ours
    }
  }

  async #recover(): Promise<void> {
    const queue = this.#queue!; // started
    await queue.retried(() => queue.ensure(), this.#stop.signal);
    await queue.retried(() => this.#parameters!.again(), this.#stop.signal);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#bell.ring();
  }

  #status(): FleetStatus {
    const nowMs = performance.now();
    return describeFleet({
      run: this.#settings.run,
      steps: this.#version,
      workers: this.#desk?.roster.present(nowMs) ?? [],
      ledger: this.#ledger,
      ready: this.#ready.length,
      ages: this.#ages,
      gate: this.#context.gate,
      nowMs,
    });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#timer);
    this.#bell.ring();
    const { nats } = this.#connection ?? {};
    if (!nats || nats.isClosed()) return;
    const leave = async () => {
      // First, since what is on its way may take longer than anybody waits here.
      nats.publish(subjectsOf(this.#settings.run).news, pack({ kind: 'over', incarnation: this.#incarnation }));
      await this.#parameters?.settle();
      await Promise.allSettled(this.#publishing);
      await this.#queue?.remove();
    };
    await Promise.race([leave().catch(() => {}), sleep(3000)]); // a server that is away keeps nobody
    await nats.close().catch(() => {}); // closed is closed
  }
}
