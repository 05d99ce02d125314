import { closeSync, openSync, writeSync } from 'node:fs';
import { RunError } from '../errors.ts';
import type { StepRecord } from '../train/step-record.ts';

const flushBytes = 64 * 1024;
const flushMs = 1000;

/**
 * Writes `metrics.jsonl`: one JSON object a step. Lines are gathered and written together, at least once a second of
 * training, so a killed run loses no more than the last second of them. Writing is synchronous: a full disk is an
 * error at the step that met it, and nothing is left to be written later.
 */
export class MetricsFile implements Disposable {
  readonly #path: string;
  #file: number | undefined;
  #lines: string[] = [];
  #gathered = 0;
  #flushedAt = 0;

  /** @throws {RunError} when the file cannot be made, or is there already */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#attempt(() => openSync(path, 'ax'));
  }

  /** @throws {RunError} when it cannot be written */
  write(record: StepRecord): void {
    const line = `${JSON.stringify(record)}\n`;
    this.#lines.push(line);
    this.#gathered += line.length;
    const now = performance.now();
    if (this.#gathered < flushBytes && now - this.#flushedAt < flushMs) return;
    this.#flushedAt = now;
    this.flush();
  }

  /** @throws {RunError} when it cannot be written */
  flush(): void {
    const file = this.#file;
    if (file === undefined || this.#lines.length === 0) return;
    let rest = Buffer.from(this.#lines.join(''));
    [this.#lines, this.#gathered] = [[], 0];
    this.#attempt(() => {
      while (rest.length > 0) rest = rest.subarray(writeSync(file, rest)); // a write may take only a part
    });
  }

  /** Writes what is left and closes the file. Closing twice does nothing. */
  close(): void {
    const file = this.#file;
    if (file === undefined) return;
    try {
      this.flush();
    } finally {
      this.#file = undefined;
      closeSync(file);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #attempt<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new RunError(
        `${this.#path}: cannot be written: ${reason}. Make room, or name another folder.`,
        { file: this.#path },
        { cause },
      );
    }
  }
}
