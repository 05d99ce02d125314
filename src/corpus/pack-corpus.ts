import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { CorpusError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import type { Corpus, Position } from '../stream/sample.ts';
import { writeAtomically } from '../atomic-file.ts';
import { packSample } from './record-frame.ts';
import { MANIFEST_FILE, WrittenShard, type RecordManifest } from './record-manifest.ts';
import { isMissing } from '../is-missing.ts';
import { MAX_SHARD_BYTES, SHARD_VERSION } from './shard-layout.ts';
import { ShardWriter } from './shard-writer.ts';
import { expectFrameFits, isFull, publish } from './write-records.ts';

export interface PackOptions {
  /** A shard is closed before it would grow past this, in bytes, from 1024 to 2 GiB. @default 64 MiB – guess */
  readonly shardBytes?: number;
  /** Whether a corpus that is already in the folder may be replaced. @default false */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  /** Told how many samples are written, of how many. */
  readonly onProgress?: (written: number, total: number | undefined) => void;
}

/** Offsets in a shard are of 32 bits: one that is too large would fail when all of it is written. */
const ShardSize = z.strictObject({
  shardBytes: z
    .int()
    .min(1024)
    .max(MAX_SHARD_BYTES)
    .default(64 * 2 ** 20),
});

/** What a pack that was broken off goes on from: the shards that are whole, and where the corpus stood then. */
const Progress = z.strictObject({
  schema: z.string(),
  shardBytes: z.int(),
  position: z.record(z.string(), z.unknown()),
  samples: z.int().nonnegative(),
  shards: z.array(WrittenShard), // those of version 1 do not go with new ones: begun anew
});
type Progress = z.output<typeof Progress>;

/**
 * Converts a corpus into record shards, in its own order. A pack that was broken off, whatever by, goes on after the last
 * whole shard when it is begun again. The folder holds a corpus only when it is finished.
 *
 * @throws {OptionsError} when `shardBytes` is out of range: at least 1024, at most 2 GiB
 * @throws {CorpusError} when the folder already holds a corpus, or there is no sample
 * @example await packCorpus(await corpus('mails.jsonl'), 'mails', { onProgress: console.log });
 */
export async function packCorpus(corpus: Corpus, folder: string, options: PackOptions = {}): Promise<RecordManifest> {
  const where = `packCorpus(\`${folder}\`)`;
  const { overwrite = false } = options;
  const { shardBytes } = parseOptions(where, ShardSize, { shardBytes: options.shardBytes });
  if (!overwrite && (await exists(join(folder, MANIFEST_FILE))))
    throw new CorpusError(
      `${where}: expected a folder without a corpus, got one with a ${MANIFEST_FILE}. Choose another, or pass \`overwrite\`.`,
      { folder },
    );
  const staging = join(folder, '.packing');
  await mkdir(staging, { recursive: true });
  const packing = new Packing(where, corpus, staging, { ...options, shardBytes });
  const shards = await packing.run();
  if (shards.length === 0) throw new CorpusError(`${where}: expected at least one sample, got none. Check the corpus.`);
  await rm(join(staging, PROGRESS_FILE), { force: true });
  return publish(folder, staging, {
    format: 'taustream-records',
    version: SHARD_VERSION,
    name: basename(resolve(folder)),
    schema: manifestSchema(corpus),
    classes: { ...corpus.classes },
    samples: shards.reduce((sum, { samples }) => sum + samples, 0),
    shards,
  });
}

const PROGRESS_FILE = 'progress.json';

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );

/** A schema as the manifest has it, with shapes of its own. */
const manifestSchema = ({ schema }: Corpus): RecordManifest['schema'] =>
  Object.fromEntries(Object.entries(schema).map(([name, { type, shape }]) => [name, { type, shape: [...shape] }]));

class Packing {
  readonly #where: string;
  readonly #corpus: Corpus;
  readonly #staging: string;
  readonly #options: PackOptions & { readonly shardBytes: number };
  readonly #shards: WrittenShard[] = [];
  #writer: ShardWriter | undefined;

  constructor(where: string, corpus: Corpus, staging: string, options: PackOptions & { readonly shardBytes: number }) {
    this.#where = where;
    this.#corpus = corpus;
    this.#staging = staging;
    this.#options = options;
  }

  async run(): Promise<WrittenShard[]> {
    const { signal, onProgress } = this.#options;
    const saved = await this.#saved();
    if (saved) for (const shard of saved.shards) this.#shards.push(shard);
    const stream = this.#corpus.samples({
      seed: 0,
      epochs: 1,
      shuffle: false,
      ...(signal && { signal }),
      ...(saved && { from: saved.position }),
    });
    const before = saved?.samples ?? 0;
    let taken = 0;
    try {
      for await (const sample of stream) {
        signal?.throwIfAborted();
        const frame = packSample(this.#where, sample, manifestSchema(this.#corpus));
        expectFrameFits(this.#where, sample, frame.length, this.#options.shardBytes);
        if (this.#writer && isFull(this.#writer, frame.length, this.#options))
          await this.#endShard(stream.position?.(taken), before + taken);
        this.#writer ??= await this.#begin();
        await this.#writer.add(frame);
        taken += 1;
        if (taken % 256 === 0) onProgress?.(before + taken, this.#corpus.length);
      }
      if (this.#writer) this.#shards.push(await this.#writer.finish());
      onProgress?.(before + taken, this.#corpus.length);
      return this.#shards;
    } catch (error) {
      await this.#writer?.close().catch(() => {}); // the first error is the one to report
      throw error;
    }
  }

  async #begin(): Promise<ShardWriter> {
    const file = `shard-${String(this.#shards.length).padStart(5, '0')}.records`;
    await rm(join(this.#staging, file), { force: true }); // one that an earlier pack left half-written
    return ShardWriter.create(this.#staging, file);
  }

  async #endShard(position: Position | undefined, samples: number): Promise<void> {
    this.#shards.push(await this.#writer!.finish());
    this.#writer = undefined;
    if (!position) return; // a corpus that tells no position is packed in one go
    const { shardBytes } = this.#options;
    const progress = { schema: this.#schemaText(), shardBytes, position, samples, shards: this.#shards };
    await writeAtomically(join(this.#staging, PROGRESS_FILE), JSON.stringify(progress satisfies Progress));
  }

  /** What an earlier pack of the same corpus left, if its shards are there. */
  async #saved(): Promise<Progress | undefined> {
    const text = await readFile(join(this.#staging, PROGRESS_FILE), 'utf8').catch(() => undefined); // none
    const parsed = text === undefined ? undefined : Progress.safeParse(parseJson(text));
    if (!parsed?.success) return undefined;
    const { schema, shardBytes, shards, position } = parsed.data;
    if (schema !== this.#schemaText() || shardBytes !== this.#options.shardBytes) return undefined;
    for (const { file, bytes } of shards) {
      const found = await stat(join(this.#staging, file)).catch(() => undefined); // gone: begin anew
      if (found?.size !== bytes) return undefined;
    }
    try {
      const stream = this.#corpus.samples({ seed: 0, epochs: 1, shuffle: false, from: position });
      await stream[Symbol.asyncIterator]().return?.(); // nothing is read: only whether the position fits
      return parsed.data;
    } catch (error) {
      if (error instanceof CorpusError) return undefined; // another corpus: begin anew
      throw error;
    }
  }

  #schemaText(): string {
    return JSON.stringify([this.#corpus.schema, this.#corpus.classes ?? {}]);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a file of something else: begin anew
  }
}
