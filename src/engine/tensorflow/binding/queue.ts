import type { Library } from './library.ts';
import type { Pointer } from './signatures.ts';
import { Status } from './status.ts';

/** What is done when a call has ended, well or not. */
export interface Outcome {
  readonly keep: () => void;
  readonly undo: () => void;
}

/**
 * Runs an operation in a thread of TensorFlow's, while this one goes on. Whoever reads what it makes waits for it; what
 * fails fails there. One operation at a time is under way.
 */
export class Queue {
  readonly #library: Library;
  readonly #context: Pointer;
  /** What runs operations at once, in this thread. */
  readonly #direct: Pointer;
  readonly #status: Status;
  #executor: Pointer | undefined;
  #outcome: Outcome | undefined;
  /** What other threads wait with: theirs and this one's must not be written at once. */
  readonly #threadStatus: Status;
  #computed: Promise<void> = Promise.resolve();
  /** Errors of operations that ended before those at whose call they were thrown. */
  readonly #told = new WeakSet<object>();

  constructor(library: Library, context: Pointer) {
    this.#library = library;
    this.#context = context;
    this.#status = new Status(library);
    this.#threadStatus = new Status(library);
    this.#direct = library.c.TFE_ContextGetExecutorForThread(context);
  }

  /**
   * Has what `call` executes queued; it ends as `then` says.
   * @throws {EngineError} when the operation before failed and nobody has read it
   */
  run<Result>(call: () => Result, then: (result: Result) => Outcome): void {
    const { c } = this.#library;
    this.settle();
    this.#executor ??= this.#start();
    let result: Result;
    c.TFE_ContextSetExecutorForThread(this.#context, this.#executor);
    try {
      result = call();
    } finally {
      c.TFE_ContextSetExecutorForThread(this.#context, this.#direct);
    }
    this.#outcome = then(result);
  }

  /**
   * Waits for what is under way.
   * @throws {EngineError} when it failed
   */
  settle(): void {
    const outcome = this.#outcome;
    if (!outcome || this.#executor === undefined) return;
    this.#library.c.TFE_ExecutorWaitForAllPendingNodes(this.#executor, this.#status.pointer);
    const error = this.#status.ok ? undefined : this.#status.error('a compiled step');
    if (error) {
      this.#undo(outcome);
      this.#told.add(error);
      throw error;
    }
    this.#outcome = undefined;
    outcome.keep();
  }

  /** Waits until nothing is under way. Never throws: what failed is left to the next call or read. */
  wait(): void {
    if (!this.#outcome || this.#executor === undefined) return;
    this.#library.c.TFE_ExecutorWaitForAllPendingNodes(this.#executor, this.#status.pointer);
  }

  /** Whether this is the error of an operation before the one at whose call it was thrown: not for that one to mend. */
  hasTold(error: unknown): boolean {
    return error instanceof Error && this.#told.has(error);
  }

  /**
   * Resolves when what is under way has ended, well or not: another thread waits, and this one serves timers and sockets.
   * What fails fails where it is read.
   */
  computed(): Promise<void> {
    const executor = this.#executor;
    if (!this.#outcome || executor === undefined) return Promise.resolve();
    const wait = () =>
      this.#library.inThread('TFE_ExecutorWaitForAllPendingNodes', executor, this.#threadStatus.pointer);
    return (this.#computed = this.#computed.then(wait)); // one at a time: they share a status
  }

  /**
   * Called when a read has failed, or an operation with TensorFlow's words: if that was because what is under way has
   * failed, its failure is known now, and it is undone, so that later calls run again. Any other is left to be told.
   */
  failed(message?: string): void {
    const outcome = this.#outcome;
    if (!outcome || this.#executor === undefined) return;
    this.wait();
    if (!this.#status.ok && (message === undefined || reasonOf(this.#status.message).startsWith(reasonOf(message))))
      this.#undo(outcome);
  }

  #undo(outcome: Outcome): void {
    if (this.#executor !== undefined) this.#library.c.TFE_ExecutorClearError(this.#executor);
    this.#outcome = undefined;
    outcome.undo();
  }

  #start(): Pointer {
    // A thread that computes while the process is taken down may crash it.
    process.once('exit', () => this.#library.c.TFE_ExecutorWaitForAllPendingNodes(executor, this.#status.pointer));
    // No limit of its own: with one of 1, what queues an operation waits until that very one has ended.
    const executor = this.#library.c.TFE_NewExecutor(1, 1, 0);
    return executor;
  }
}

/** An error's words without the nodes that it went through; an executor adds its own behind them. */
const reasonOf = (message: string): string =>
  message
    .replace(/\{\{.*?\}\}|\[\[.*?\]\]/gu, '')
    .replace(/[\s.]+/gu, ' ')
    .trim();
