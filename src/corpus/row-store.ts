import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { Packr } from 'msgpackr';
import { allocate, rowBytes, rowSize, writeRow, type ColumnData, type FixedSpec } from '../stream/columns.ts';
import { fixedSchema } from '../stream/steps.ts';
import type { Corpus, Sample, SampleOptions } from '../stream/sample.ts';
import type { Block, BlockRef, BlockSource } from './blocks.ts';
import { readFully } from './byte-source.ts';
import { streamSamples, type BlockStream } from './sample-stream.ts';

/** Rows that are stored, read and kept together. */
const BLOCK_ROWS = 64;
/** `moreTypes` keeps typed arrays what they are. */
const msgpack = new Packr({ moreTypes: true, useRecords: false });

/** Up to 64 rows in memory. */
interface Rows {
  readonly ids: string[];
  readonly columns: Readonly<Record<string, ColumnData>>;
}

export interface RowStoreOptions {
  /** Bytes of rows that may lie in memory; past that all go to a file, and what was read last is kept. */
  readonly memoryBytes: number;
  /** Where the file goes. @default the system's folder for temporary files */
  readonly folder?: string | undefined;
}

/**
 * A corpus that is written row by row, then read in any seeded order any number of times: in memory while it is small
 * enough, else in a temporary file. Dispose it.
 *
 * Memory: `memoryBytes`, and while it is read two shuffle pools of a quarter of that each.
 */
export class RowStore implements Corpus, BlockSource, AsyncDisposable {
  readonly name: string;
  readonly schema: Readonly<Record<string, FixedSpec>>;
  readonly classes: Readonly<Record<string, number>>;
  readonly blockSize = BLOCK_ROWS;
  readonly partsAtOnce = Infinity;
  length = 0;
  readonly #options: RowStoreOptions;
  readonly #bytesOfRow: number;
  /** The blocks while all are in memory, the last one still being filled. */
  #held: Rows[] = [];
  /** Where each block begins in the file, and where the last ends. */
  readonly #offsets: number[] = [0];
  readonly #cache: LRUCache<number, Rows>;
  #file: FileHandle | undefined;
  #folder: string | undefined;

  /** @throws {ShapeError} when samples have lengths of their own */
  constructor(like: Pick<Corpus, 'name' | 'schema' | 'classes'>, options: RowStoreOptions) {
    this.name = like.name;
    this.schema = fixedSchema(`Corpus \`${like.name}\``, like.schema);
    this.classes = like.classes ?? {};
    this.#options = options;
    this.#bytesOfRow = Object.values(this.schema).reduce((sum, spec) => sum + rowBytes(spec), 0);
    const blockBytes = this.#bytesOfRow * BLOCK_ROWS;
    this.#cache = new LRUCache({
      maxSize: Math.max(1, options.memoryBytes),
      sizeCalculation: () => Math.max(1, blockBytes),
    });
  }

  /** Whether the rows lie in a file. */
  get isOnDisk(): boolean {
    return this.#file !== undefined;
  }

  get parts(): readonly number[] {
    return [this.length];
  }

  get poolSize(): number {
    const fits = Math.floor(this.#options.memoryBytes / 4 / Math.max(1, this.#bytesOfRow));
    return this.isOnDisk ? Math.max(BLOCK_ROWS, fits) : Math.max(1, this.length);
  }

  /**
   * Adds a row.
   * @throws {ShapeError} when a column does not have the numbers that the schema asks for
   */
  async add(sample: Sample): Promise<void> {
    const row = this.length % BLOCK_ROWS;
    if (row === 0) await this.#begin();
    const { ids, columns } = this.#held.at(-1)!;
    ids[row] = sample.id;
    for (const [name, spec] of Object.entries(this.schema))
      writeRow(columns[name]!, spec, row, sample[name], `Sample ${sample.id}: \`${name}\``);
    this.length += 1;
  }

  /** Begins a block; moves what is full to the file when memory does not suffice. */
  async #begin(): Promise<void> {
    if (this.#file || (this.#held.length + 1) * BLOCK_ROWS * this.#bytesOfRow > this.#options.memoryBytes)
      await this.#spill();
    const columns = Object.entries(this.schema).map(([name, spec]) => [name, allocate(spec, BLOCK_ROWS)] as const);
    this.#held.push({ ids: [], columns: Object.fromEntries(columns) });
  }

  async #spill(): Promise<void> {
    this.#file ??= await this.#createFile();
    for (const rows of this.#held) {
      const bytes = msgpack.pack(rows);
      const at = this.#offsets.at(-1)!;
      await this.#file.writeFile(bytes); // unlike `write`, all of it, from where the last one ended
      this.#offsets.push(at + bytes.length);
    }
    this.#held = [];
  }

  async #createFile(): Promise<FileHandle> {
    this.#folder = await mkdtemp(join(this.#options.folder ?? tmpdir(), 'taustream-rows-'));
    const path = join(this.#folder, 'rows');
    const file = await open(path, 'wx+');
    // Nothing is left behind, however the process ends. Windows keeps open files' names: there dispose has to do.
    if (process.platform !== 'win32') await rm(this.#folder, { recursive: true, force: true });
    return file;
  }

  samples(options: SampleOptions): BlockStream {
    return streamSamples(`corpus \`${this.name}\``, this, options);
  }

  async load(refs: readonly BlockRef[]): Promise<readonly Block[]> {
    const blocks: Block[] = [];
    for (const { first, count } of refs) {
      const rows = await this.#rows(first / BLOCK_ROWS);
      blocks.push({ count, sample: (index) => this.#sample(rows, index) });
    }
    return blocks;
  }

  async #rows(number: number): Promise<Rows> {
    const written = this.#offsets.length - 1;
    if (number >= written) return this.#held[number - written]!;
    const known = this.#cache.get(number);
    if (known) return known;
    const [from, to] = [this.#offsets[number]!, this.#offsets[number + 1]!];
    const bytes = await readFully(this.#file!, `rows of ${this.name}`, from, to);
    const rows = msgpack.unpack(bytes) as Rows; // as it was packed
    this.#cache.set(number, rows);
    return rows;
  }

  #sample({ ids, columns }: Rows, row: number): Sample {
    const values = Object.entries(this.schema).map(([name, spec]) => {
      const size = rowSize(spec);
      const data = columns[name]!;
      return [name, spec.shape.length === 0 ? data[row]! : data.slice(row * size, (row + 1) * size)] as const;
    });
    return { id: ids[row]!, ...Object.fromEntries(values) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held = [];
    this.#cache.clear();
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }
}
