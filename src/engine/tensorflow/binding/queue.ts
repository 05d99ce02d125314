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
    if (error) this.failed();
    this.#outcome = undefined;
    if (error) throw error;
    outcome.keep();
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

  /** Called when a read has failed: if it was of what is under way, that is undone, and later calls run again. */
  failed(): void {
    if (this.#executor === undefined) return;
    this.#library.c.TFE_ExecutorWaitForAllPendingNodes(this.#executor, this.#status.pointer);
    const outcome = this.#outcome;
    if (this.#status.ok || !outcome) return;
    this.#library.c.TFE_ExecutorClearError(this.#executor);
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
