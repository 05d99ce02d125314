import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { RunError, messageOf } from '../errors.ts';
import type { StepRecord } from '../train/step-record.ts';

const flushBytes = 64 * 1024;
const flushMs = 1000;

/**
 * Writes `metrics.jsonl`: one JSON object a step. Lines are gathered and written together, at least once a second of
 * training, so a killed run loses no more than the last second of them. Writing is synchronous: a full disk is an
 * error at the step that met it, and nothing is left to be written later.
 */
export class MetricsFile<Line extends { readonly step: number } = StepRecord> implements Disposable {
  readonly #path: string;
  #file: number | undefined;
  #lines: string[] = [];
  #gathered = 0;
  #flushedAt = 0;

  /**
   * @param append whether the file may be there already: see `cutAfter`
   * @throws {RunError} when the file cannot be made, or is there already
   */
  constructor(path: string, append = false) {
    this.#path = path;
    this.#file = this.#attempt(() => openSync(path, append ? 'a' : 'ax'));
  }

  /** @throws {RunError} when it cannot be written */
  write(record: Line): void {
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
      const reason = messageOf(cause);
      throw new RunError(
        `${this.#path}: cannot be written: ${reason}. Make room, or name another folder.`,
        { file: this.#path },
        { cause },
      );
    }
  }
}

/**
 * Cuts off the lines after `step`, and a last line that was never finished: what a run that goes on from there writes
 * anew. A file that does not exist has none.
 *
 * @throws {RunError} when it cannot be read or written
 */
export async function cutAfter(path: string, step: number): Promise<void> {
  try {
    await truncate(path, await lengthUpTo(path, step));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return;
    const reason = messageOf(cause);
    throw new RunError(`${path}: cannot be cut: ${reason}. Look at the file.`, { file: path }, { cause });
  }
}

/** Bytes of the whole lines up to and including that of `step`. */
async function lengthUpTo(path: string, step: number): Promise<number> {
  let rest = Buffer.alloc(0);
  let length = 0;
  for await (const chunk of createReadStream(path)) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      if (stepOf(rest.subarray(0, end)) > step) return length;
      length += end + 1;
      rest = rest.subarray(end + 1);
    }
  }
  return length;
}

/** The step of a line; Infinity for one that is none, which is cut off with all that follows. */
function stepOf(line: Uint8Array): number {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(line).toString('utf8'));
    return typeof parsed === 'object' && parsed !== null && 'step' in parsed ? Number(parsed.step) : Infinity;
  } catch {
    return Infinity; // half a line
  }
}
