import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32Of } from './crc32.ts';
import type { WrittenShard } from './record-manifest.ts';
import { LENGTH_BYTES, shardEnd, shardHeader } from './shard-layout.ts';

const WRITE_BYTES = 2 ** 20;

/** Writes one shard from front to end; frames are gathered into writes of about 1 MiB. */
export class ShardWriter {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  readonly #offsets: number[] = [];
  readonly #crcs: number[] = [];
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #bytes = 0;

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
    this.#append(shardHeader());
  }

  static async create(folder: string, file: string): Promise<ShardWriter> {
    return new ShardWriter(file, await open(join(folder, file), 'wx'));
  }

  get samples(): number {
    return this.#offsets.length;
  }

  /** Bytes so far, without the index. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param frame borrowed: copied before this returns */
  async add(frame: Uint8Array): Promise<void> {
    const delimited = Buffer.allocUnsafe(LENGTH_BYTES + frame.length);
    delimited.writeUInt32LE(frame.length);
    delimited.set(frame, LENGTH_BYTES);
    this.#offsets.push(this.#bytes);
    this.#crcs.push(crc32Of(delimited));
    this.#append(delimited);
    if (this.#waitingBytes >= WRITE_BYTES) await this.#flush();
  }

  /** Writes the index, waits until everything is on the disk, and closes the file. */
  async finish(): Promise<WrittenShard> {
    const samples = this.samples;
    const end = shardEnd(this.#offsets, this.#crcs, this.#bytes);
    this.#append(end);
    await this.#flush();
    await this.#handle.sync();
    await this.close();
    const indexSha256 = createHash('sha256').update(end).digest('hex');
    return { file: this.#file, samples, bytes: this.#bytes, sha256: this.#hash.digest('hex'), indexSha256 };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  #append(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#bytes += bytes.length;
  }

  async #flush(): Promise<void> {
    const chunk = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#hash.update(chunk);
    await this.#handle.appendFile(chunk); // unlike `write`, goes on until all of it is written
  }
}
