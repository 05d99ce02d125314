import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { CorpusError, ShapeError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import type { Sample } from '../stream/sample.ts';
import { writeAtomically } from '../atomic-file.ts';
import { checkLabels } from './labels.ts';
import { packSample } from './record-frame.ts';
import {
  classesFit,
  classesFitReason,
  MANIFEST_FILE,
  readManifest,
  schemaFields,
  type RecordManifest,
  type ShardEntry,
} from './record-manifest.ts';
import { isMissing } from '../is-missing.ts';
import { HEADER_BYTES, LENGTH_BYTES, MAX_SHARD_BYTES, overheadBytes, SHARD_VERSION } from './shard-layout.ts';
import { createStaging } from './staging.ts';
import { ShardWriter } from './shard-writer.ts';

export const WriteRecordsOptions = z
  .strictObject({
    /** The columns of every sample: `{ x: { type: 'float32', shape: [28, 28, 1] }, y: { type: 'int32', shape: [] } }`. */
    ...schemaFields,
    /** Names the corpus. @default the folder's name */
    name: z.string().min(1).optional(),
    /** A shard is closed before it would grow past this, in bytes. @default 64 MiB – guess */
    shardBytes: z
      .int()
      .min(1024)
      .max(MAX_SHARD_BYTES)
      .default(64 * 2 ** 20),
    /** A shard is closed when it holds this many samples. @default Infinity */
    samplesPerShard: z.int().min(1).optional(),
    /** Whether a corpus that is already in the folder may be replaced. @default false */
    overwrite: z.boolean().default(false),
    signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
  })
  .refine(classesFit, classesFitReason);
export type WriteRecordsOptions = z.input<typeof WriteRecordsOptions>;
type Parsed = z.output<typeof WriteRecordsOptions>;

/**
 * Writes samples into record shards. They grow in a hidden folder inside `folder` and are moved into place when the
 * last sample is written; the manifest comes last. When a sample, its source or the disk fails, the folder is left as
 * it was before.
 *
 * @returns the manifest
 * @throws {OptionsError} when an option is unknown or out of range
 * @throws {ShapeError} when a sample does not fit the schema
 * @throws {LabelError} when a label lies outside its classes
 * @throws {CorpusError} when there is no sample, or the folder already holds a corpus
 * @example
 * const digits = [{ id: 'digits:0', x: new Uint8Array(64), y: 3 }];
 * await writeRecords('digits', digits, { schema: { x: { type: 'uint8', shape: [8, 8] }, y: { type: 'int32', shape: [] } }, classes: { y: 10 } });
 */
export async function writeRecords(
  folder: string,
  samples: AsyncIterable<Sample> | Iterable<Sample>,
  options: WriteRecordsOptions,
): Promise<RecordManifest> {
  const where = `writeRecords(\`${folder}\`)`;
  const parsed = parseOptions(where, WriteRecordsOptions, options);
  await expectFree(where, folder, parsed.overwrite);
  const { staging, created } = await createStaging(folder);
  try {
    const shards = await writeShards(where, staging, samples, parsed);
    return await publish(folder, staging, {
      format: 'taustream-records',
      version: SHARD_VERSION,
      name: parsed.name ?? basename(resolve(folder)),
      schema: parsed.schema,
      classes: parsed.classes,
      samples: shards.reduce((sum, shard) => sum + shard.samples, 0),
      shards,
    });
  } catch (error) {
    await rm(created, { recursive: true, force: true });
    throw error;
  }
}

async function expectFree(where: string, folder: string, overwrite: boolean): Promise<void> {
  const found = await stat(join(folder, MANIFEST_FILE)).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw new CorpusError(
      `${where}: expected a folder that can be written, got ${String(error)}. Choose another path.`,
      { folder },
      { cause: error },
    );
  });
  if (found && !overwrite)
    throw new CorpusError(
      `${where}: expected a folder without a corpus, got one with a ${MANIFEST_FILE}. Choose another folder, or pass \`overwrite: true\`.`,
      { folder },
    );
}

async function writeShards(
  where: string,
  staging: string,
  samples: AsyncIterable<Sample> | Iterable<Sample>,
  options: Parsed,
) {
  const shards: ShardEntry[] = [];
  let writer: ShardWriter | undefined;
  try {
    for await (const sample of samples) {
      options.signal?.throwIfAborted();
      const frame = packSample(where, sample, options.schema);
      checkLabels(where, sample, options.classes);
      expectFrameFits(where, sample, frame.length, options.shardBytes);
      if (writer && isFull(writer, frame.length, options)) {
        shards.push(await writer.finish());
        writer = undefined;
      }
      writer ??= await ShardWriter.create(staging, `shard-${String(shards.length).padStart(5, '0')}.records`);
      await writer.add(frame);
    }
    if (writer) shards.push(await writer.finish());
  } catch (error) {
    await writer?.close();
    throw error;
  }
  if (shards.length > 0) return shards;
  throw new CorpusError(`${where}: expected at least one sample, got none. Check where the samples come from.`);
}

/** Whether a frame has to go into another shard. */
export const isFull = (
  writer: ShardWriter,
  frameBytes: number,
  options: { readonly shardBytes: number; readonly samplesPerShard?: number | undefined },
) =>
  writer.samples >= (options.samplesPerShard ?? Infinity) ||
  writer.bytes - HEADER_BYTES + LENGTH_BYTES + frameBytes + overheadBytes(writer.samples + 1) > options.shardBytes;

/** @throws {ShapeError} when a sample fits into no shard */
export function expectFrameFits(where: string, sample: Sample, frameBytes: number, shardBytes: number): void {
  const needed = LENGTH_BYTES + frameBytes + overheadBytes(1);
  if (needed <= shardBytes) return;
  throw new ShapeError(
    `${where}: sample \`${sample.id}\`: expected at most ${shardBytes} bytes (\`shardBytes\`), got ${needed}. Raise \`shardBytes\`.`,
    { id: sample.id, expected: shardBytes, got: needed },
  );
}

/** Moves finished shards into place. While they are moved there is no manifest, so nobody reads a mixture. */
export async function publish(folder: string, staging: string, manifest: RecordManifest): Promise<RecordManifest> {
  const old = await readManifest(folder).catch(() => undefined); // none, or none that can be read: nothing to clear away
  await rm(join(folder, MANIFEST_FILE), { force: true });
  for (const { file } of old?.shards ?? []) await rm(join(folder, file), { force: true });
  for (const file of await readdir(staging)) await rename(join(staging, file), join(folder, file));
  await writeAtomically(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  await rm(staging, { recursive: true });
  return manifest;
}
