import { fork, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PlacementError } from '../../errors.ts';
import { errorOf } from './failure.ts';
import type { Answer, Request } from './jobs.ts';
import type { Region } from './shared-file.ts';

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

type Unnumbered<R> = R extends unknown ? Omit<R, 'id'> : never;

/** A process of its own that answers requests. It ends with this one, however this one ends. */
export class ScoringProcess {
  readonly #child: ChildProcess;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #lastId = 0;
  /** Why nothing can be asked any more. */
  #failure: unknown;
  #timer: NodeJS.Timeout | undefined;

  /** @param fd the shared file, which the process inherits */
  constructor(fd: number, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#child = start(fd);
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        this.#fail(diedError(signal ? `by ${signal}` : `with exit code ${code}`));
        resolve();
      });
      this.#child.once('error', (cause) => {
        this.#fail(diedError(`: ${cause.message}`, cause));
        if (this.#child.pid === undefined) resolve(); // it never began
      });
    });
    this.#child.on('message', (answer: Answer) => this.#take(answer));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Asks, and waits for the answer.
   * @throws {TaustreamError} what the process answers, or a PlacementError when it dies or says nothing for too long
   */
  ask(request: Unnumbered<Request<Region>>): Promise<Exclude<Answer, { kind: 'failed' }>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, {
        resolve: (answer) => (answer.kind === 'failed' ? reject(errorOf(answer.failure)) : resolve(answer)),
        reject,
      });
      if (this.#timer === undefined) this.#watch();
      this.#child.send({ ...request, id }, () => {}); // an error here comes with the exit that explains it
    });
  }

  /** Gives up all that was asked, with a reason; nothing can be asked any more. */
  cancel(reason: unknown): void {
    this.#fail(reason);
  }

  /** Ends the process at once: it has nothing to save. */
  async close(): Promise<void> {
    this.#fail(new PlacementError('Scoring process: it was ended. Begin another.'));
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  #take(answer: Answer): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size > 0) this.#watch();
    waiting?.resolve(answer);
  }

  #fail(reason: unknown): void {
    clearTimeout(this.#timer);
    this.#failure ??= reason;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
  }

  /** Gives up when nothing comes for too long. */
  #watch(): void {
    const timer = setTimeout(() => void this.#giveUp(timer), this.#timeoutMs);
    this.#timer = timer;
  }

  async #giveUp(timer: NodeJS.Timeout): Promise<void> {
    for (let i = 0; i < 2; i++) await turn(); // this process may have been busy itself while an answer lay waiting
    if (this.#timer !== timer || this.#failure !== undefined) return;
    const seconds = this.#timeoutMs / 1000;
    this.#fail(
      new PlacementError(
        `Scoring process: expected an answer within ${seconds} s, got none: it hangs, or is slower than that. ` +
          'Raise `score.timeoutSeconds`, lower `presampleSize`, or score inline.',
        { pid: this.pid, seconds },
      ),
    );
    this.#child.kill('SIGKILL');
  }
}

const diedError = (how: string, cause?: Error) =>
  new PlacementError(
    `Scoring process: expected it to live as long as the run, but it ended ${how}. Look above for what it wrote, and for memory running out; or score inline.`,
    {},
    { cause },
  );

/**
 * Its output goes to stderr, since results of commands go to stdout. It is no member of this process' group, so that a
 * Ctrl-C reaches the trainer alone, which finishes its step.
 */
function start(fd: number): ChildProcess {
  const isSource = import.meta.url.endsWith('.ts');
  const entry = fileURLToPath(new URL(isSource ? './score-process.ts' : './score-process.js', import.meta.url));
  // Always there, because a module that is imported for the run may be TypeScript.
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx/esm')).href;
  return fork(entry, [], {
    execArgv: ['--import', loader],
    serialization: 'advanced',
    stdio: ['ignore', 2, 2, 'ipc', fd],
    detached: true,
  });
}
