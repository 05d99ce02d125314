import type { FileMetaData } from 'hyparquet';
import { startWorker } from '../worker-file.ts';
import type { Answer, FilePiece, Job, RowsRequest } from './parquet-worker.ts';

/** A thread with nothing to do ends after so long. */
const IDLE_MS = 1000;

/** One thread, which takes a job at a time. */
class Thread {
  readonly #worker = startWorker(import.meta.url, 'parquet-worker', {
    resourceLimits: { maxOldGenerationSizeMb: 2048 },
  });
  idle: NodeJS.Timeout | undefined;

  /** @throws {Error} when it takes longer than `limitMs`, or the thread dies; it cannot be used again then */
  run(job: Job, limitMs: number): Promise<unknown> {
    const worker = this.#worker;
    worker.ref();
    return new Promise<unknown>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        worker.off('error', fail).off('exit', exited).off('message', answered); // not all: some are Node's own
        worker.unref();
        settle();
      };
      const fail = (error: Error) => {
        void worker.terminate();
        end(() => reject(new Dead(error.message, { cause: error })));
      };
      const exited = () => fail(new Error('a thread that ended'));
      const answered = (answer: Answer) =>
        end(() => ('error' in answer ? reject(new Error(answer.error)) : resolve(answer.result)));
      const timer = setTimeout(() => fail(new Error(`counts that take more than ${limitMs} ms to read`)), limitMs);
      worker.on('error', fail).on('exit', exited).on('message', answered);
      worker.postMessage(job); // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread's port has none
    });
  }

  end(): void {
    void this.#worker.terminate();
  }
}

/** The thread that a job ran in is gone. */
class Dead extends Error {}

const idle: Thread[] = [];

/**
 * Decodes in a thread of its own, which is ended when it takes far longer than so many bytes can: hyparquet believes the
 * counts that a damaged file holds.
 */
async function limited(name: Job['name'], request: FilePiece): Promise<unknown> {
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
    const result = await thread.run({ name, request }, Math.ceil(5000 + request.bytes.length / 1000));
    giveBack();
    return result;
  } catch (error) {
    if (!(error instanceof Dead)) giveBack();
    throw error;
  }
}

export const readFooter = (piece: FilePiece) => limited('readFooter', piece) as Promise<FileMetaData>; // the worker's own type
export const readRows = (request: RowsRequest) => limited('readRows', request) as Promise<Record<string, unknown>[]>; // as above
