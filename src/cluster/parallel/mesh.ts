import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { ParallelError } from '../../errors.ts';
import { showAddress, type Address } from './addresses.ts';
import { PROTOCOL, receive, send, type Message, type Way } from './messages.ts';
import type { SharedFileName } from './shared/shared-file.ts';

export interface MeshOptions {
  readonly addresses: readonly Address[];
  readonly rank: number;
  /** What has to be the same for all trainers, by name. */
  readonly job: Readonly<Record<string, string>>;
  /** Seconds to wait until all have come. */
  readonly joinSeconds: number;
  /** Seconds without a word after which a trainer counts as lost. */
  readonly silentSeconds: number;
  /** How to sum gradients: `auto` shares memory where all are on one machine. */
  readonly sum: Way | 'auto';
  /** Of rank 0: the file that the others look for. */
  readonly memory?: SharedFileName | undefined;
}

/** A trainer that is gone, and how. */
export interface Lost {
  readonly rank: number;
  readonly why: string;
}

interface Events {
  /** A trainer was lost: the first one only, for the others follow from it. */
  lost: [Lost];
}

/**
 * Who is there: the trainers of one run, each connected with that of rank 0, which tells the others when one is lost.
 * The operating system closes a dead process' connections at once; a machine that falls silent is noticed by its silence.
 */
export class Mesh extends EventEmitter<Events> {
  readonly #options: MeshOptions;
  readonly #peers = new Map<number, Peer>();
  readonly #arrivals = new EventEmitter<{ changed: [] }>();
  #server: Server | undefined;
  #timer: NodeJS.Timeout | undefined;
  #refusal: ParallelError | undefined;
  /** A `welcome` or `go` of rank 0. */
  readonly #told = new Set<'welcome' | 'go'>();
  #memory: SharedFileName | undefined;
  #way: Way | undefined;
  #lost: Lost | undefined;
  #isOver = false;

  private constructor(options: MeshOptions) {
    super();
    this.#options = options;
  }

  /**
   * Waits until every trainer has come, and all agree on the job.
   *
   * @throws {ParallelError} when the port is taken, a host is unknown, somebody does not come in time, or has another job
   */
  static async join(options: MeshOptions): Promise<Mesh> {
    const mesh = new Mesh(options);
    try {
      await (options.rank === 0 ? mesh.#gather() : mesh.#report());
    } catch (error) {
      mesh.close();
      throw error;
    }
    mesh.#watch();
    return mesh;
  }

  /** The file of rank 0 by which memory may be shared, if it has made one. */
  get memory(): SharedFileName | undefined {
    return this.#memory;
  }

  /**
   * Agrees with the others on how gradients are summed: through shared memory if every trainer has found it.
   * @param isShared whether this one has
   * @throws {ParallelError} when memory was to be shared and somebody has not found it, or somebody is not in time
   */
  async agree(isShared: boolean): Promise<Way> {
    if (this.#options.rank > 0) {
      this.#tellAll({ kind: 'found', isShared });
      await this.#until('agree on how to sum', () => (this.#way ? [] : [0]));
      return this.#way!;
    }
    await this.#until('look for shared memory', () => this.#missing((peer) => peer.isShared !== undefined));
    const apart = this.#missing((peer) => peer.isShared === true);
    if (this.#options.sum === 'shared' && (apart.length > 0 || !isShared))
      throw notShared(apart, this.#options.addresses);
    const way = isShared && apart.length === 0 ? 'shared' : 'grpc';
    this.#tellAll({ kind: 'agreed', way });
    return way;
  }

  /** Tells that this trainer is ready, and waits until all are. @throws {ParallelError} when somebody is not in time */
  async ready(): Promise<void> {
    const { rank } = this.#options;
    if (rank === 0) {
      await this.#until('become ready', () => this.#missing(({ isReady }) => isReady));
      this.#tellAll({ kind: 'go' });
      return;
    }
    this.#tellAll({ kind: 'ready' });
    await this.#until('begin', () => (this.#told.has('go') ? [] : [0]));
  }

  /** Leaves: because the run is over, or for a reason that ends it for the others, too. */
  leave(reason?: string): void {
    this.#isOver = true;
    this.#tellAll({ kind: 'leave', ...(reason !== undefined && { reason }) });
    clearInterval(this.#timer);
    this.#server?.close();
    for (const { socket } of this.#peers.values()) socket.end();
  }

  close(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#server?.close();
    for (const { socket } of this.#peers.values()) socket.destroy();
  }

  /** Rank 0: listens until all have come. */
  async #gather(): Promise<void> {
    const { addresses } = this.#options;
    const [own] = addresses;
    await this.#listen(own!);
    await this.#until('come', () => this.#missing());
    const { memory } = this.#options;
    this.#tellAll({ kind: 'welcome', ...(memory && { memory }) });
  }

  async #listen(own: Address): Promise<void> {
    this.#server = createServer((socket) => this.#greet(socket));
    this.#server.listen(own.port, own.host);
    await once(this.#server, 'listening').catch((error: NodeJS.ErrnoException) => {
      throw listenError(own, error);
    });
  }

  /** Rank 0: whoever connects says who it is. */
  #greet(socket: Socket): void {
    socket.setNoDelay(true).on('error', () => socket.destroy()); // its end is noticed by `close`
    let peer: Peer | undefined;
    receive(socket, (message) => {
      if (peer) return this.#take(peer, message);
      const reason = message.kind === 'hello' ? this.#misfit(message) : 'it did not say who it is';
      if (reason !== undefined || message.kind !== 'hello') {
        send(socket, { kind: 'refused', reason: reason ?? '' });
        socket.end();
        return undefined;
      }
      peer = this.#add(message.rank, socket);
      this.#arrivals.emit('changed');
      return undefined;
    });
  }

  /** Why a trainer cannot take part. */
  #misfit(hello: Message & { kind: 'hello' }): string | undefined {
    const { addresses, job } = this.#options;
    if (hello.protocol !== PROTOCOL) return `expected protocol ${PROTOCOL}, got ${hello.protocol}`;
    if (hello.world !== addresses.length) return `expected ${addresses.length} trainers, got a list of ${hello.world}`;
    if (hello.rank < 1 || hello.rank >= addresses.length)
      return `expected a rank from 1 to ${addresses.length - 1}, got ${hello.rank}`;
    if (this.#peers.has(hello.rank)) return `rank ${hello.rank} is there already`;
    const differing = Object.keys({ ...job, ...hello.job }).filter((name) => job[name] !== hello.job[name]);
    if (differing.length === 0) return undefined;
    return differing
      .map((name) => `expected the ${name} of rank 0, ${job[name] ?? 'none'}, got ${hello.job[name] ?? 'none'}`)
      .join('; ');
  }

  /** Ranks above 0: connects to rank 0 as soon as it is there. */
  async #report(): Promise<void> {
    const { addresses, rank, job, joinSeconds } = this.#options;
    const own = addresses[rank]!;
    // nobody else may believe that the port is free; a stranger's connection is closed, and its errors are its own
    this.#server = createServer((socket) => socket.on('error', () => {}).destroy());
    this.#server.listen(own.port, own.host);
    await once(this.#server, 'listening').catch((error: NodeJS.ErrnoException) => {
      throw listenError(own, error);
    });
    const socket = await connectTo(addresses[0]!, 1000 * joinSeconds);
    const peer = this.#add(0, socket);
    receive(socket, (message) => this.#take(peer, message));
    send(socket, { kind: 'hello', protocol: PROTOCOL, rank, world: addresses.length, job });
    await this.#until('welcome this one', () => (this.#told.has('welcome') ? [] : [0]));
  }

  #add(rank: number, socket: Socket): Peer {
    const peer: Peer = { rank, socket, heardAt: performance.now(), isReady: false, hasLeft: false };
    this.#peers.set(rank, peer);
    let why = 'its connection was closed';
    socket.on('error', (error) => (why = `its connection broke: ${error.message}`));
    socket.on('close', () => {
      if (!peer.hasLeft) this.#lose({ rank, why });
    });
    return peer;
  }

  #take(peer: Peer, message: Message): void {
    peer.heardAt = performance.now();
    if (message.kind === 'welcome' || message.kind === 'go') this.#told.add(message.kind);
    if (message.kind === 'welcome') this.#memory = message.memory;
    if (message.kind === 'found') peer.isShared = message.isShared;
    if (message.kind === 'agreed') this.#way = message.way;
    if (message.kind === 'ready') peer.isReady = true;
    if (message.kind === 'refused')
      this.#refusal = new ParallelError(
        `Trainer ${this.#options.rank}: rank 0 refused it: ${message.reason}. Start all trainers with the same file, options and list of addresses, each with its own rank.`,
        { rank: this.#options.rank, reason: message.reason },
      );
    if (message.kind === 'refused' || message.kind === 'leave') peer.hasLeft = true;
    if (message.kind === 'leave' && message.reason !== undefined)
      this.#lose({ rank: peer.rank, why: `it ended: ${message.reason}` });
    if (message.kind === 'lost') this.#lose(message);
    this.#arrivals.emit('changed');
  }

  #lose({ rank, why }: Lost): void {
    if (this.#lost || this.#isOver) return;
    this.#lost = { rank, why };
    if (this.#options.rank === 0) this.#tellAll({ kind: 'lost', rank, why });
    this.emit('lost', this.#lost);
    this.#arrivals.emit('changed');
  }

  #tellAll(message: Message): void {
    for (const { socket } of this.#peers.values()) send(socket, message);
  }

  /** Says a word every now and then, and listens for the others'. */
  #watch(): void {
    const { silentSeconds } = this.#options;
    this.#timer = setInterval(
      () => {
        this.#tellAll({ kind: 'alive' });
        for (const { rank, heardAt, hasLeft } of this.#peers.values())
          if (!hasLeft && performance.now() - heardAt > 1000 * silentSeconds)
            this.#lose({ rank, why: `nothing was heard of it for ${silentSeconds} s` });
      },
      (1000 * silentSeconds) / 5,
    );
  }

  #missing(isThere: (peer: Peer) => boolean = () => true): number[] {
    return [...this.#options.addresses.keys()].slice(1).filter((rank) => {
      const peer = this.#peers.get(rank);
      return !peer || !isThere(peer);
    });
  }

  /** Waits until nobody is missing. */
  async #until(what: string, missing: () => number[]): Promise<void> {
    const { joinSeconds, addresses } = this.#options;
    const deadline = AbortSignal.timeout(Math.ceil(1000 * joinSeconds));
    while (missing().length > 0) {
      if (this.#refusal) throw this.#refusal;
      if (this.#lost) throw lostError(this.#lost, addresses);
      await once(this.#arrivals, 'changed', { signal: deadline }).catch(() => {
        const names = missing().map((rank) => `${rank} (${showAddress(addresses[rank]!)})`);
        throw new ParallelError(
          `Trainers: expected rank ${names.join(', ')} to ${what} within ${joinSeconds} s, but it did not. Start it, look whether it still runs, and whether its port can be reached.`,
          { missing: missing() },
        );
      });
    }
  }
}

interface Peer {
  readonly rank: number;
  readonly socket: Socket;
  heardAt: number;
  /** Whether it has found the memory to share; nothing until it has looked. */
  isShared?: boolean;
  isReady: boolean;
  hasLeft: boolean;
}

/** A trainer that is gone, by name. */
export const lostError = ({ rank, why }: Lost, addresses: readonly Address[], cause?: unknown): ParallelError =>
  new ParallelError(
    `Trainers: rank ${rank} (${showAddress(addresses[rank]!)}) is lost: ${why}. Go on from the last checkpoint, with as many trainers as are left.`,
    { lost: rank, address: showAddress(addresses[rank]!), why },
    { cause },
  );

function notShared(apart: readonly number[], addresses: readonly Address[]): ParallelError {
  const names = apart.map((rank) => `rank ${rank} (${showAddress(addresses[rank]!)})`);
  return new ParallelError(
    `Trainers: expected memory that all share for \`--sum shared\`, but ${names.length === 0 ? 'rank 0 cannot make any in /dev/shm' : `${names.join(', ')} cannot open that of rank 0`}. ` +
      'Start all on one machine with Linux, as the same user and in the same container, or use `--sum grpc`.',
    { apart },
  );
}

function listenError(own: Address, error: NodeJS.ErrnoException): ParallelError {
  const at = showAddress(own);
  if (error.code === 'EADDRINUSE')
    return new ParallelError(
      `Trainers: ${at} is in use by another program. Stop it, or choose another port.`,
      { address: at },
      { cause: error },
    );
  return new ParallelError(
    `Trainers: cannot listen at ${at}: ${error.message}. Name this machine by an address of its own.`,
    { address: at },
    { cause: error },
  );
}

/** Tries until somebody listens there. */
async function connectTo(address: Address, withinMs: number): Promise<Socket> {
  const { host, port } = address;
  const deadline = performance.now() + withinMs;
  for (;;) {
    const socket = connect({ host, port }).setNoDelay(true);
    const silence = AbortSignal.timeout(Math.max(1, Math.ceil(deadline - performance.now()))); // the system waits minutes for an answer
    try {
      await once(socket, 'connect', { signal: silence });
      return socket;
    } catch (error) {
      socket.on('error', () => {}).destroy(); // the one that is told came first
      const { code, message } = silence.aborted
        ? { code: undefined, message: `no answer within ${withinMs / 1000} s` }
        : (error as NodeJS.ErrnoException); // a socket's errors are of this kind
      if (code === 'ENOTFOUND' || silence.aborted || performance.now() > deadline)
        throw new ParallelError(
          `Trainers: rank 0 cannot be reached at ${showAddress(address)}: ${message}. Start it, and check its address.`,
          { address: showAddress(address) },
          { cause: error },
        );
      await wait(100);
    }
  }
}
