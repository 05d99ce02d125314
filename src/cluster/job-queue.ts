import { setTimeout as sleep } from 'node:timers/promises';
import {
  AckPolicy,
  DiscardPolicy,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { ClusterError, messageOf } from '../errors.ts';
import type { FleetSettings } from './cluster-options.ts';
import type { Connection } from './connect.ts';
import type { Ledger, OpenJob } from './ledger.ts';
import { pack, protocolVersion, workersConsumer, type Job, type Subjects } from './protocol.ts';

/** A job that lies so long is swept away by the server: what a trainer leaves behind that never comes back. */
const sweepMs = 24 * 3600 * 1000;

/**
 * The run's streams on the server: jobs for whichever worker comes first, and parameters. Nothing is ever held back by a
 * full stream: the trainer gives out so many jobs at a time and no more.
 */
export class JobQueue {
  readonly #connection: Connection;
  readonly #subjects: Subjects;
  readonly #settings: FleetSettings;

  /** What the server said when something last went wrong there; nothing once it went well again. */
  #trouble: unknown;

  constructor(connection: Connection, subjects: Subjects, settings: FleetSettings) {
    this.#connection = connection;
    this.#subjects = subjects;
    this.#settings = settings;
  }

  /** Why nothing goes to the server at present, if that is so. */
  get trouble(): ClusterError | undefined {
    return this.#trouble === undefined ? undefined : this.#explain(this.#trouble);
  }

  /** Makes the streams where they are missing. @throws {ClusterError} when the server keeps none */
  async ensure(): Promise<void> {
    const { jobsStream, parametersStream, jobs, parameters } = this.#subjects;
    const file = { storage: StorageType.File, discard: DiscardPolicy.Old, max_age: nanos(sweepMs) };
    try {
      const jsm = await this.#manager();
      const make = async (config: Partial<StreamConfig> & { name: string }) => {
        const known = await jsm.streams.info(config.name).catch(() => undefined);
        await (known ? jsm.streams.update(config.name, config) : jsm.streams.add(config));
      };
      await make({ ...file, name: jobsStream, subjects: [jobs], retention: RetentionPolicy.Workqueue });
      await make({
        ...file,
        name: parametersStream,
        subjects: [`${parameters}.>`],
        allow_direct: true,
        max_msgs_per_subject: 1,
      });
      await jsm.consumers.add(jobsStream, this.#consumer());
    } catch (cause) {
      throw this.#explain(cause);
    }
  }

  #consumer(): Partial<ConsumerConfig> {
    return {
      durable_name: workersConsumer,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(1000 * this.#settings.ackWaitSeconds),
      max_ack_pending: -1,
    };
  }

  /** Takes away what an earlier life of the trainer left. */
  async clear(): Promise<void> {
    const jsm = await this.#manager();
    await jsm.streams.purge(this.#subjects.jobsStream);
    await jsm.streams.purge(this.#subjects.parametersStream);
  }

  /**
   * Gives a job out. It is tried again while the server is away.
   * @throws {ClusterError} when it stays away, or has no room
   */
  async publish({ job, from, to, phase, issues }: OpenJob, incarnation: string, signal: AbortSignal): Promise<void> {
    const message = pack({ protocol: protocolVersion, incarnation, job, from, to, phase } satisfies Job);
    const msgID = `${incarnation}.${job}.${issues}`;
    await this.retried(
      () => jetstream(this.#connection.nats).publish(this.#subjects.jobs, message, { msgID, timeout: this.#answerMs }),
      signal,
    );
  }

  /** Does something on the server, again while it is away. */
  async retried(action: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
    const endMs = performance.now() + 1000 * this.#settings.patienceSeconds;
    for (;;) {
      try {
        await action();
        this.#trouble = undefined;
        return;
      } catch (cause) {
        this.#trouble = cause;
        if (signal.aborted) return;
        if (performance.now() >= endMs || isFull(cause)) throw this.#explain(cause);
        await sleep(250, undefined, { signal }).catch(() => {}); // then the run is at its end
      }
    }
  }

  /** Jobs that a worker may still come for, and those that one has in hand. */
  async waiting(): Promise<{ readonly queued: number; readonly inHand: number }> {
    const { jobsStream } = this.#subjects;
    const jsm = await this.#manager();
    const info = await jsm.consumers.info(jobsStream, workersConsumer);
    return { queued: info.num_pending, inHand: info.num_ack_pending };
  }

  /** Whether the server has parameters: a clock that jumped may have swept them away. */
  async hasParameters(): Promise<boolean> {
    const jsm = await this.#manager();
    return (await jsm.streams.info(this.#subjects.parametersStream)).state.messages > 0;
  }

  /** Takes the run's streams off the server. */
  async remove(): Promise<void> {
    const jsm = await this.#manager();
    await jsm.streams.delete(this.#subjects.jobsStream);
    await jsm.streams.delete(this.#subjects.parametersStream);
  }

  /** How long an answer is waited for: a server whose disk is full gives none. */
  get #answerMs(): number {
    return Math.min(5000, 500 * this.#settings.patienceSeconds);
  }

  #manager() {
    return jetstreamManager(this.#connection.nats, { checkAPI: false, timeout: this.#answerMs });
  }

  #explain(cause: unknown): ClusterError {
    const { where } = this.#connection;
    const reason = messageOf(cause);
    if (isFull(cause))
      return new ClusterError(
        `${where}: expected room in the server's store, got: ${reason}. Free some on its disk, or raise \`max_file_store\`.`,
        { where, reason },
        { cause },
      );
    if (/permission/iu.test(reason))
      return new ClusterError(
        `${where}: expected a login that may train, got: ${reason}. Use the trainer's login, not a worker's.`,
        { where, reason },
        { cause },
      );
    if (cause instanceof Error && /timeout/iu.test(cause.name))
      return new ClusterError(
        `${where}: expected the server to store what it is sent, got no answer. Look whether its disk is full: then make room, and start it again.`,
        { where, reason },
        { cause },
      );
    return new ClusterError(
      `${where}: expected a server with JetStream, got: ${reason}. Start it with \`npx taustream cluster up\`, or with \`-js\`.`,
      { where, reason },
      { cause },
    );
  }
}

const isFull = (error: unknown): boolean =>
  error instanceof Error && /insufficient|no space|resource limits|maximum bytes|storage/iu.test(error.message);

/** Jobs that are not done, of which nobody has spoken for a while, and which the server has no more. */
export async function lostJobs(
  ledger: Ledger,
  queue: JobQueue,
  { nowMs, silentMs }: { readonly nowMs: number; readonly silentMs: number },
): Promise<OpenJob[]> {
  const undone = [...ledger.open.values()].filter((job) => job.count === undefined);
  const silent = undone.filter(({ heardMs }) => nowMs - heardMs > silentMs);
  if (silent.length === 0) return [];
  const { queued, inHand } = await queue.waiting();
  return queued + inHand >= undone.length ? [] : silent; // those that are there wait for somebody to come
}
