import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { launchedBy, type LauncherNews } from './join-others.ts';

export interface LocalTrainersOptions {
  readonly count: number;
  /** What each process runs. */
  readonly program: string;
  readonly args: (rank: number) => readonly string[];
  readonly environments: (rank: number) => Readonly<Record<string, string>>;
}

/** How trainers ended, all of them. */
export interface LocalEnd {
  /** The exit code of rank 0, or of the first that failed by itself. */
  readonly code: number;
  /** Those that did not end by themselves. */
  readonly lost: readonly { readonly rank: number; readonly how: string }[];
  /** The run's folder, once there is one. */
  readonly folder: string | undefined;
}

/** Seconds that the others have to notice that one is gone. */
const PATIENCE_SECONDS = 60;
const failed = 1;

/** Trainers of one run in processes of this machine. */
export class LocalTrainers {
  readonly #children: readonly ChildProcess[];
  readonly #lost: { rank: number; how: string }[] = [];
  /** Ranks that ended because another was lost. */
  readonly #bereft = new Set<number>();
  readonly #ends: Promise<unknown>;
  #folder: string | undefined;
  #lastWords: string | undefined;
  #impatience: NodeJS.Timeout | undefined;

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
    this.#ends = Promise.all(children.map((child) => once(child, 'exit')));
    for (const [rank, child] of children.entries()) {
      child.on('message', (news: LauncherNews) => this.#take(rank, news));
      child.on('exit', (code, signal) => this.#note(rank, code, signal));
    }
  }

  /** Starts them; they end with this process, however it ends. */
  static async start({ count, program, args, environments }: LocalTrainersOptions): Promise<LocalTrainers> {
    const children = Array.from({ length: count }, (_, rank) =>
      fork(program, [...args(rank)], {
        env: { ...process.env, ...environments(rank), [launchedBy]: '1' },
        // No members of this process' group: a Ctrl-C reaches this one, which passes it on to rank 0 alone.
        detached: true,
        stdio: rank === 0 ? ['ignore', 'inherit', 'inherit', 'ipc'] : ['ignore', 'ignore', 'inherit', 'ipc'],
      }),
    );
    await Promise.all(children.map((child) => once(child, 'spawn')));
    return new LocalTrainers(children);
  }

  /** Waits for the end of all, and passes signals on to rank 0, with which the others stop. */
  async ended(): Promise<LocalEnd> {
    const pass = (signal: NodeJS.Signals) => this.#children[0]!.kill(signal);
    process.on('SIGINT', pass).on('SIGTERM', pass);
    try {
      await this.#ends;
    } finally {
      process.off('SIGINT', pass).off('SIGTERM', pass);
      clearTimeout(this.#impatience);
    }
    if (this.#lost.length === this.#children.length && this.#lastWords !== undefined)
      process.stderr.write(`${this.#lastWords}\n`);
    const own = this.#children.findIndex(({ exitCode }, rank) => exitCode === failed && !this.#bereft.has(rank));
    if (own >= 0) return { code: failed, lost: [], folder: this.#folder };
    return { code: this.#children[0]!.exitCode ?? failed, lost: this.#lost, folder: this.#folder };
  }

  #take(rank: number, news: LauncherNews): void {
    if (news.kind === 'folder') this.#folder = news.folder;
    else {
      this.#bereft.add(rank);
      this.#lastWords = news.message;
    }
  }

  #note(rank: number, code: number | null, signal: NodeJS.Signals | null): void {
    if (signal !== null) this.#lost.push({ rank, how: signal });
    if (code === 0 || this.#impatience) return;
    this.#impatience = setTimeout(() => {
      for (const child of this.#children) child.kill('SIGKILL');
    }, 1000 * PATIENCE_SECONDS);
  }
}
