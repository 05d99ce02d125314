import { EngineError, type ErrorFacts } from '../../../errors.ts';
import type { Library } from './library.ts';
import type { Pointer } from './signatures.ts';

/** One reused `TF_Status`. Calls are synchronous and on one thread, so one is enough. */
export class Status {
  readonly pointer: Pointer;
  readonly #library: Library;

  constructor(library: Library) {
    this.#library = library;
    this.pointer = library.c.TF_NewStatus();
  }

  get ok(): boolean {
    return this.#library.c.TF_GetCode(this.pointer) === 0;
  }

  /** TensorFlow's own words on one line, without the remarks on nodes that repeat them. */
  get message(): string {
    return this.#library.c
      .TF_Message(this.pointer)
      .replace(/\s*\[Op:\w*\]\s*(name:)?\s*$/u, '')
      .replace(/\s+/gu, ' ')
      .trim();
  }

  get code(): number {
    return this.#library.c.TF_GetCode(this.pointer);
  }

  /** @throws {EngineError} made by `where`, when the last call failed */
  check(where: string, facts?: ErrorFacts): void {
    if (!this.ok) throw this.error(where, facts);
  }

  error(where: string, facts: ErrorFacts = {}): EngineError {
    return this.failure(where, this.message, this.code, facts);
  }

  /** The error of a call whose message and code were taken before. */
  failure(where: string, message: string, code: number, facts: ErrorFacts): EngineError {
    return new EngineError(`${where}: ${message}${/[.!?]$/u.test(message) ? '' : '.'}${remedy(code)}`, {
      ...facts,
      code,
      tensorflow: message,
    });
  }

  dispose(): void {
    this.#library.c.TF_DeleteStatus(this.pointer);
  }
}

const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;

function remedy(code: number): string {
  if (code === RESOURCE_EXHAUSTED)
    return ' The device is out of memory: use a smaller batch, or dispose tensors sooner.';
  if (code === UNIMPLEMENTED) return ' This device or type has no such kernel: cast to float32, or use another engine.';
  return '';
}
