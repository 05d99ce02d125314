import { Worker } from 'node:worker_threads';
import { ParallelError } from '../../errors.ts';
import type { Lost, MeshOptions } from './mesh.ts';
import type { Way } from './messages.ts';
import type { SharedFileName } from './shared/shared-file.ts';
import type { Ending, News, Request } from './watch-thread.ts';

/** Keeps watch over the other trainers, in a thread of its own. */
export class Watch {
  readonly #thread: Worker;
  #lost: Lost | undefined;
  #failure: unknown;
  readonly #known = new Set<News['kind']>();
  #memory: SharedFileName | undefined;
  #way: Way | undefined;
  /** Those who wait for news. */
  readonly #waiting = new Set<() => void>();

  constructor(options: MeshOptions) {
    this.#thread = start(options);
    this.#thread.unref(); // a run that ends in any way does not wait for it
    this.#thread.on('message', (news: News) => this.#take(news));
    this.#thread.on('error', (error) => this.#fail(error));
    this.#thread.on('exit', () => this.#fail(new ParallelError('Trainers: the thread that watches over them ended.')));
  }

  /** Waits until all have come. @returns what rank 0 shares @throws {ParallelError} when they do not */
  async joined(): Promise<SharedFileName | undefined> {
    await this.#until('joined');
    return this.#memory;
  }

  /** Agrees on how to sum. @throws {ParallelError} when there is no agreement */
  async agreed(isShared: boolean): Promise<Way> {
    this.#ask({ kind: 'found', isShared });
    await this.#until('agreed');
    return this.#way!;
  }

  /** Tells that this trainer can sum, and waits until all can. @throws {ParallelError} when somebody cannot */
  begun(ending: Ending): Promise<void> {
    this.#ask({ kind: 'ready', ending });
    return this.#until('begun');
  }

  /** Waits a moment for the news of somebody who is lost. */
  async lost(withinMs: number): Promise<Lost | undefined> {
    const over = new AbortController();
    const timer = setTimeout(() => {
      over.abort(); // not by the clock: a timer may strike a little before its time
      this.#wake();
    }, withinMs);
    while (!this.#lost && this.#failure === undefined && !over.signal.aborted) await this.#news();
    clearTimeout(timer);
    return this.#lost;
  }

  /** Leaves the others, and ends the thread. */
  async leave(reason?: string): Promise<void> {
    this.#ask({ kind: 'leave', ...(reason !== undefined && { reason }) });
    await new Promise((resolve) => setTimeout(resolve, 50)); // what was said is on its way
    await this.#thread.terminate();
  }

  #ask(request: Request): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    this.#thread.postMessage(request);
  }

  async #until(kind: News['kind']): Promise<void> {
    this.#thread.ref();
    try {
      while (!this.#known.has(kind)) {
        if (this.#failure !== undefined) throw this.#failure as Error; // of a thread: an Error
        await this.#news();
      }
    } finally {
      this.#thread.unref();
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #take(news: News): void {
    this.#known.add(news.kind);
    if (news.kind === 'joined') this.#memory = news.memory;
    if (news.kind === 'agreed') this.#way = news.way;
    if (news.kind === 'lost') this.#lost ??= { rank: news.rank, why: news.why };
    if (news.kind === 'failed') this.#failure ??= new ParallelError(news.message, news.facts);
    this.#wake();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }
}

/** Threads of Node 20 cannot begin with a TypeScript file: this reads the loader first, where there is source alone. */
const entryCode = `
const { workerData: { loader, entry } } = require('node:worker_threads');
(loader ? import(loader).then(({ register }) => register()) : Promise.resolve()).then(() => import(entry));
`;

function start(options: MeshOptions): Worker {
  const isSource = import.meta.url.endsWith('.ts');
  const entry = new URL(isSource ? './watch-thread.ts' : './watch-thread.js', import.meta.url).href;
  const loader = isSource ? import.meta.resolve('tsx/esm/api') : undefined;
  return new Worker(entryCode, { eval: true, workerData: { ...options, entry, loader } });
}
