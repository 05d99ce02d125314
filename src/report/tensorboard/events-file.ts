import { closeSync, openSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { RunError, messageOf } from '../../errors.ts';
import { maskedCrc32c } from './crc32c.ts';
import { startEvent, summaryEvent, versionEvent, type EventValues } from './event.ts';

const flushBytes = 64 * 1024;
const flushMs = 2000;

/** Files opened by this process: two of one second have two names. */
let opened = 0;

/**
 * Writes a file that TensorBoard reads: TFRecords (8 bytes of length, its checksum, the data, its checksum) of `Event`
 * messages. Records are gathered and written together, at least every two seconds of training.
 */
export class EventsFile implements Disposable {
  readonly path: string;
  #file: number | undefined;
  #records: Buffer[] = [];
  #gathered = 0;
  #flushedAt = performance.now();

  /**
   * @param folder the run's; each file in it has a name of its own
   * @param step where the run goes on: what another file has of later steps is forgotten
   * @throws {RunError} when it cannot be made
   */
  constructor(folder: string, step = 0) {
    const now = Date.now() / 1000;
    const name = `events.out.tfevents.${Math.floor(now)}.${hostname()}.${process.pid}.${opened++}`;
    this.path = join(folder, name);
    this.#file = this.#attempt(() => openSync(this.path, 'ax'));
    this.#add(versionEvent(now));
    if (step > 0) this.#add(startEvent(now, step + 1));
  }

  /** @throws {RunError} when it cannot be written */
  write(step: number, values: EventValues): void {
    this.#add(summaryEvent(Date.now() / 1000, step, values));
    if (this.#gathered >= flushBytes || performance.now() - this.#flushedAt >= flushMs) this.flush();
  }

  /** @throws {RunError} when it cannot be written */
  flush(): void {
    const file = this.#file;
    this.#flushedAt = performance.now();
    if (file === undefined || this.#records.length === 0) return;
    let rest = Buffer.concat(this.#records);
    [this.#records, this.#gathered] = [[], 0];
    this.#attempt(() => {
      while (rest.length > 0) rest = rest.subarray(writeSync(file, rest)); // a write may take only a part
    });
  }

  [Symbol.dispose](): void {
    const file = this.#file;
    if (file === undefined) return;
    try {
      this.flush();
    } finally {
      this.#file = undefined;
      closeSync(file);
    }
  }

  #add(data: Buffer): void {
    const record = Buffer.alloc(data.length + 16);
    record.writeBigUInt64LE(BigInt(data.length), 0);
    record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
    record.set(data, 12);
    record.writeUInt32LE(maskedCrc32c(data), 12 + data.length);
    this.#records.push(record);
    this.#gathered += record.length;
  }

  #attempt<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (cause) {
      const reason = messageOf(cause);
      const facts = { file: this.path };
      throw new RunError(`${this.path}: cannot be written: ${reason}. Make room, or name another folder.`, facts, {
        cause,
      });
    }
  }
}
