import type { FileMetaData } from 'hyparquet';
import { startWorker } from '../worker-file.ts';
import type { Answer, FilePiece, Job, RowsRequest } from './parquet-worker.ts';

/** A thread with nothing to do ends after so long. */
const IDLE_MS = 1000;
/** A thread may take so long to start: it loads its modules, on a machine that may be busy. */
const STARTING_MS = 60_000;

/** One thread, which takes a job at a time. */
class Thread {
  readonly #worker = startWorker(import.meta.url, 'parquet-worker', {
    resourceLimits: { maxOldGenerationSizeMb: 2048 },
  });
  #hasStarted = false;
  idle: NodeJS.Timeout | undefined;

  /** @throws {Error} when the job itself takes longer than `limitMs`, or the thread dies; it cannot be used again then */
  run(job: Job, limitMs: number): Promise<unknown> {
    const worker = this.#worker;
    worker.ref();
    return new Promise<unknown>((resolve, reject) => {
      let limit: Limit;
      const end = (settle: () => void) => {
        limit.end();
        worker.off('error', fail).off('exit', exited).off('message', told); // not all: some are Node's own
        worker.unref();
        settle();
      };
      const fail = (error: Error) => {
        void worker.terminate();
        end(() => reject(new Dead(error.message, { cause: error })));
      };
      const exited = () => fail(new Error('a thread that ended'));
      const begin = () => {
        limit = new Limit(limitMs, () => fail(new Error(`counts that take more than ${limitMs} ms to read`)));
        worker.postMessage(job); // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread's port has none
      };
      const told = (answer: Answer) => {
        if ('error' in answer) return end(() => reject(new Error(answer.error)));
        if ('result' in answer) return end(() => resolve(answer.result));
        limit.end();
        this.#hasStarted = true;
        begin();
      };
      worker.on('error', fail).on('exit', exited).on('message', told);
      if (this.#hasStarted) begin();
      else limit = new Limit(STARTING_MS, () => fail(new Error(`no thread that starts within ${STARTING_MS} ms`)));
    });
  }

  end(): void {
    void this.#worker.terminate();
  }
}

/** Time for one thing. What was told while this thread was busy is heard before the time is called over. */
class Limit {
  readonly #timer: NodeJS.Timeout;
  #last: NodeJS.Immediate | undefined;

  constructor(ms: number, over: () => void) {
    this.#timer = setTimeout(() => {
      this.#last = setImmediate(over); // Node hands over messages between its timers and this
    }, ms);
  }

  end(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#last);
  }
}

/** The thread that a job ran in is gone. */
class Dead extends Error {}

const idle: Thread[] = [];

/** Far longer than so many bytes can take to be read. */
const limitOf = ({ bytes }: FilePiece): number => Math.ceil(5000 + bytes.length / 1000);

/**
 * Decodes in a thread of its own, which is ended when it takes longer than `limitMs`: hyparquet believes the counts that a
 * damaged file holds.
 */
async function limited(job: Job, limitMs: number): Promise<unknown> {
  const thread = idle.pop() ?? new Thread();
  clearTimeout(thread.idle);
  const giveBack = () => {
    idle.push(thread);
    thread.idle = setTimeout(() => {
      idle.splice(idle.indexOf(thread), 1);
      thread.end();
    }, IDLE_MS).unref();
  };
  try {
    const result = await thread.run(job, limitMs);
    giveBack();
    return result;
  } catch (error) {
    if (!(error instanceof Dead)) giveBack();
    throw error;
  }
}

/** @throws {Error} when the piece holds no footer, or reading it takes longer than `limitMs` once a thread has started */
export const readFooter = (piece: FilePiece, limitMs = limitOf(piece)) =>
  limited({ name: 'readFooter', request: piece }, limitMs) as Promise<FileMetaData>; // the worker's own type
export const readRows = (request: RowsRequest) =>
  limited({ name: 'readRows', request }, limitOf(request)) as Promise<Record<string, unknown>[]>; // as above
