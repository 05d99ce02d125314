import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, isIP } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { ParallelError, messageOf } from '../../errors.ts';
import { parseOptions } from '../../options.ts';
import { unlessAborted } from '../../stream/unless-aborted.ts';
import { ServerOptions } from '../cluster-options.ts';
import { addressOf, connectTo, explain, type Connection } from '../connect.ts';
import { pack, subjectsOf, unpack } from '../protocol.ts';
import { freeAddresses, showAddress } from './addresses.ts';
import type { TrainersOptions } from './join-trainers.ts';

export const MeetOptions = z.strictObject({
  ...ServerOptions.shape,
  /** Names the run on the server; all trainers have the same. */
  run: z.string().min(1).max(128),
  /** How many trainers are to come. */
  count: z.int().min(2).max(10_000),
  /** Which of them this one is to be, from 0. @default whichever is free, in the order of addresses */
  rank: z.int().nonnegative().optional(),
  /** This machine's address for the others. @default the one by which it reaches the server */
  host: z.string().min(1).optional(),
  /** Seconds to wait until all have come. @default 120 – as `joinTrainers` */
  joinSeconds: z.number().positive().default(120),
});
export type MeetOptions = z.input<typeof MeetOptions>;

/** What a trainer says of itself again and again. */
const Beacon = z.strictObject({
  id: z.uuid(),
  count: z.int().positive(),
  rank: z.int().nonnegative().optional(),
  address: z.string().max(512),
  /** Whom it knows of, in the order of their ranks; all go when all know of the same. */
  knows: z.array(z.uuid()),
});
type Beacon = z.output<typeof Beacon>;

const beaconMs = 200;
/** Whoever is silent for so long has gone again. */
const goneMs = 2000;

/**
 * Meets the other trainers of a run at a NATS server, so that nobody needs to know addresses beforehand. Only this goes
 * through the server: gradients go from trainer to trainer.
 *
 * @returns addresses of all and this one's rank, for `joinTrainers`
 * @throws {ParallelError} when too few come, too many, two want the same rank, or they expect different numbers
 * @throws {ClusterError} when there is no server, or it refuses
 * @throws {OptionsError} when an option is unknown or out of range
 * @example
 * await useEngine('tensorflow');
 * const trainers = await joinTrainers(await meetTrainers({ url: 'nats://token@10.0.0.5:4222', run: 'speeches', count: 4 }));
 */
export async function meetTrainers(input: MeetOptions): Promise<Pick<TrainersOptions, 'addresses'> & { rank: number }> {
  const { run, count, rank, joinSeconds, ...settings } = parseOptions('meetTrainers()', MeetOptions, input);
  if (rank !== undefined && rank >= count)
    throw new ParallelError(
      `meetTrainers(): \`rank\`: expected one from 0 to ${count - 1}, for ${count} trainers are to come, got ${rank}. Give each its own, or none.`,
      { rank, count },
    );
  const { host = await ownHost(settings.url), ...server } = settings;
  const [own] = await freeAddresses(1, host);
  const connection = await connectTo(server, `taustream trainer of ${run}`);
  const beacon = { id: randomUUID(), count, address: showAddress(own!), ...(rank !== undefined && { rank }) };
  try {
    return await new Meeting(connection, subjectsOf(run).trainers, beacon).all(joinSeconds);
  } finally {
    await connection.nats.close().catch(() => {}); // closed is closed
  }
}

/** Who has come so far. */
class Meeting {
  readonly #connection: Connection;
  readonly #subject: string;
  readonly #own: Omit<Beacon, 'knows'>;
  #failure: unknown;
  readonly #others = new Map<string, { readonly beacon: Beacon; readonly heardMs: number }>();

  constructor(connection: Connection, subject: string, own: Omit<Beacon, 'knows'>) {
    this.#connection = connection;
    this.#subject = subject;
    this.#own = own;
    connection.nats.subscribe(subject, {
      callback: (error, message) => {
        if (error) this.#failure ??= explain(connection.where, error);
        else this.#hear(message.data);
      },
    });
  }

  #hear(bytes: Uint8Array): void {
    try {
      const beacon = unpack('Trainer', Beacon, bytes);
      if (beacon.id !== this.#own.id) this.#others.set(beacon.id, { beacon, heardMs: performance.now() });
    } catch (error) {
      this.#failure ??= error;
    }
  }

  /** Waits until all have come, and all know it. */
  async all(seconds: number): Promise<{ addresses: string; rank: number }> {
    const deadline = performance.now() + 1000 * seconds;
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure as Error; // one of ours
      const present = this.#present();
      this.#expectFitting(present);
      const order = present.length === this.#own.count ? ranked(present) : present;
      const knows = order.map(({ id }) => id);
      this.#say(knows);
      const others = order.filter(({ id }) => id !== this.#own.id);
      if (
        order.length === this.#own.count &&
        others.every((other) => this.#others.get(other.id)?.beacon.knows.join() === knows.join())
      ) {
        await this.#confirm(knows);
        const addresses = order.map(({ address }) => address).join(',');
        return { addresses, rank: knows.indexOf(this.#own.id) };
      }
      if (performance.now() > deadline) throw this.#missing(present, seconds);
      await wait(beaconMs);
    }
  }

  /** Says it some times more: the others go when they have heard it. */
  async #confirm(knows: readonly string[]): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await wait(beaconMs / 4);
      this.#say(knows);
    }
    // a server that is away now must not keep this one: the others have heard it, or tell who is missing
    await unlessAborted(this.#connection.nats.flush(), AbortSignal.timeout(goneMs)).catch(() => {});
  }

  #say(knows: readonly string[]): void {
    this.#connection.nats.publish(this.#subject, pack({ ...this.#own, knows }));
  }

  #present(): Omit<Beacon, 'knows'>[] {
    for (const [id, { heardMs }] of this.#others) if (performance.now() - heardMs > goneMs) this.#others.delete(id);
    return [this.#own, ...[...this.#others.values()].map(({ beacon }) => beacon)];
  }

  #expectFitting(present: readonly Omit<Beacon, 'knows'>[]): void {
    const { count, address } = this.#own;
    const other = present.find((one) => one.count !== count);
    if (other)
      throw this.#error(
        `expected ${count} trainers as ${address} does, got one at ${other.address} that expects ${other.count}. Give all the same number.`,
      );
    if (present.length > count)
      throw this.#error(
        `expected ${count} trainers, got ${present.length}: ${addressesOf(present)}. Stop the rest, or give all the right number.`,
      );
    const twice = present.find(
      (one, i) => one.rank !== undefined && present.findIndex((o) => o.rank === one.rank) !== i,
    );
    if (twice)
      throw this.#error(
        `expected each rank once, got ${twice.rank} of ${addressesOf(present.filter((one) => one.rank === twice.rank))}. Give each its own, or none.`,
      );
    const near = present.filter(({ address: one }) => /^(127\.|\[::1\])/u.test(one));
    if (near.length > 0 && near.length < present.length)
      throw this.#error(
        `expected addresses that all can reach, got ${addressesOf(near)} of a machine that has the server itself. Give that trainer its address with --trainer-host.`,
      );
  }

  #missing(present: readonly Omit<Beacon, 'knows'>[], seconds: number): ParallelError {
    const { count } = this.#own;
    return this.#error(
      `expected ${count} trainers within ${seconds} s, got ${present.length}: ${addressesOf(present)}. Start the others with the same run, number and server.`,
    );
  }

  #error(message: string): ParallelError {
    const { where } = this.#connection;
    return new ParallelError(`Trainers at ${where}: ${message}`, { where, count: this.#own.count });
  }
}

/** Those who ask for a rank have it; the others fill the rest in the order of their addresses. */
function ranked(present: readonly Omit<Beacon, 'knows'>[]): Omit<Beacon, 'knows'>[] {
  const wanted = new Map(present.flatMap((one) => (one.rank === undefined ? [] : [[one.rank, one] as const])));
  const rest = present.filter((one) => one.rank === undefined).toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1)); // by code units: the same on every machine
  return present.map((_, rank) => wanted.get(rank) ?? rest.shift()!); // as many as there are ranks
}

const placeOf = ({ address, id }: Omit<Beacon, 'knows'>) => `${address} ${id}`;

const addressesOf = (of: readonly { readonly address: string }[]) =>
  of
    .map(({ address }) => address)
    .toSorted()
    .join(', ');

/** The address of this machine by which it reaches the server. @throws {ParallelError} when it does not */
async function ownHost(url: string): Promise<string> {
  const { where } = addressOf(url);
  const [host, port] = [where.slice(0, where.lastIndexOf(':')), Number(where.slice(where.lastIndexOf(':') + 1))];
  const socket = connect({ host: host.replaceAll(/[[\]]/gu, ''), port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(5000) });
    const address = socket.localAddress ?? '';
    return isIP(address) === 6 ? address.replace(/^::ffff:/u, '') : address;
  } catch (cause) {
    throw new ParallelError(
      `Trainers at ${where}: expected a NATS server, got ${messageOf(cause)}. Start one with \`npx taustream cluster up\`, or correct the address.`,
      { where },
      { cause },
    );
  } finally {
    socket.destroy();
  }
}
