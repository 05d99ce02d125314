import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CorpusError, FetchError, OptionsError, messageOf } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { isMissing } from '../is-missing.ts';
import { remoteFile, remoteText } from './remote-folder.ts';
import { isRemote } from './remote-source.ts';

export const MANIFEST_FILE = 'manifest.json';
const count = z.int().min(0);

const ColumnSpecJson = z
  .strictObject({
    type: z.enum(['float32', 'int32', 'uint8']),
    /** A first axis of null is time. */
    shape: z
      .array(z.int().min(1).nullable())
      .max(8)
      .refine((shape) => shape.lastIndexOf(null) < 1, { error: 'must be fixed but for the first axis' })
      .readonly(),
  })
  .readonly();

/** A schema, and the classes of its integer columns; shared by what is written and what is read. */
export const schemaFields = {
  schema: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/, { error: 'must be a plain name' }), ColumnSpecJson)
    .readonly()
    .refine((schema) => Object.keys(schema).length > 0 && !('id' in schema), {
      error: 'must name at least one column, and none `id`: that is the sample itself',
    }),
  classes: z.record(z.string(), z.int().min(1)).readonly().default({}),
};

/** Whether classes are given for whole-number columns only. */
export const classesFit = (o: {
  schema: z.output<typeof schemaFields.schema>;
  classes: Readonly<Record<string, number>>;
}) => Object.keys(o.classes).every((column) => column in o.schema && o.schema[column]!.type !== 'float32');
export const classesFitReason = { path: ['classes'], error: 'must name int32 or uint8 columns of the schema' };

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, { error: 'must be 64 hexadecimal digits' });

export const ShardEntry = z.strictObject({
  /** A name in the manifest's own folder, never a path. */
  file: z.string().regex(/^[\w-][\w.-]*$/, { error: 'must be a plain file name' }),
  samples: count.min(1),
  bytes: count,
  /** Of the whole file. */
  sha256,
  /** Of its index and trailer, whose checksums tell of each frame whether it is right. @default none – version 1 */
  indexSha256: sha256.optional(),
});
export type ShardEntry = z.output<typeof ShardEntry>;

/** One as it is written now. */
export const WrittenShard = ShardEntry.required();
export type WrittenShard = z.output<typeof WrittenShard>;

export const RecordManifest = z
  .strictObject({
    format: z.literal('taustream-records'),
    /** 2: a shard's index has a checksum for each frame. Of version 1 only the whole shards have one. */
    version: z.union([z.literal(1), z.literal(2)], { error: 'must be 1 or 2' }),
    name: z.string().min(1),
    ...schemaFields,
    samples: count,
    shards: z.array(ShardEntry).min(1),
  })
  .refine(classesFit, classesFitReason)
  .refine((m) => m.shards.reduce((sum, shard) => sum + shard.samples, 0) === m.samples, {
    path: ['samples'],
    error: 'must be the sum over the shards',
  })
  .refine((m) => m.shards.every(({ indexSha256 }) => (indexSha256 !== undefined) === (m.version === 2)), {
    path: ['shards'],
    error: 'must have an `indexSha256` each in version 2, and none in version 1',
  });
/** What a folder of record shards holds; written last, so that a folder with one is complete. */
export type RecordManifest = z.output<typeof RecordManifest>;

/**
 * @throws {CorpusError} when the folder has no manifest, or one that cannot be used
 * @throws {FetchError} when it is on the network and cannot be had
 */
export async function readManifest(folder: string): Promise<RecordManifest> {
  const path = isRemote(folder) ? remoteFile(folder, MANIFEST_FILE) : join(folder, MANIFEST_FILE);
  try {
    const text = isRemote(folder) ? await remoteText(folder, MANIFEST_FILE) : await readFile(path, 'utf8');
    return parseOptions(MANIFEST_FILE, RecordManifest, JSON.parse(text));
  } catch (cause) {
    if (cause instanceof FetchError) throw cause;
    const got = messageOf(cause);
    const next = isMissing(cause)
      ? 'Check the path; a folder without one was never finished.'
      : 'Write the corpus again.';
    const wrong = cause instanceof OptionsError ? { issues: cause.facts['issues'] } : {};
    throw new CorpusError(
      `recordCorpus(\`${folder}\`): expected a usable ${MANIFEST_FILE}, got ${got.replace(/\.$/, '')}. ${next}`,
      { path, ...wrong },
      { cause },
    );
  }
}
