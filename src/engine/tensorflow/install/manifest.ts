import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';

const fileSchema = z.strictObject({ bytes: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/u) });
const manifestSchema = z.strictObject({
  /** Version of TensorFlow. */
  version: z.string(),
  variant: z.enum(['cpu', 'cuda']),
  wheel: z.string(),
  framework: z.string(),
  main: z.string(),
  /** Libraries to load first, in order, relative to the installation's folder. */
  before: z.array(z.string()),
  files: z.record(z.string(), fileSchema),
});

/** What an installation holds. It is written last, so a folder without one is not an installation. */
export type Manifest = z.output<typeof manifestSchema>;
/** A library's size and digest. */
export type FileRecord = z.output<typeof fileSchema>;

const manifestPath = (folder: string) => join(folder, 'manifest.json');

/** Reads a folder's manifest, or gives `undefined` where there is none that can be understood. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    return manifestSchema.parse(JSON.parse(await readFile(manifestPath(folder), 'utf8')));
  } catch {
    return undefined; // absent, cut short or of another layout: all mean that there is no installation to use
  }
}

export const writeManifest = (folder: string, manifest: Manifest): Promise<void> =>
  writeFile(manifestPath(folder), `${JSON.stringify(manifest, undefined, 2)}\n`);

/** Names the first file that is missing or has another size; cheap enough for every start. */
export async function findMissing(folder: string, manifest: Manifest): Promise<string | undefined> {
  for (const [name, { bytes }] of Object.entries(manifest.files)) {
    const size = await stat(join(folder, name)).then(
      ({ size: found }) => found,
      () => undefined,
    );
    if (size === undefined) return `${name} is missing`;
    if (size !== bytes) return `${name} has ${size} bytes, expected ${bytes}`;
  }
  return undefined;
}

/** Names the first file whose content is not what was installed. Reads every byte. */
export async function findCorrupt(folder: string, manifest: Manifest): Promise<string | undefined> {
  const missing = await findMissing(folder, manifest);
  if (missing !== undefined) return missing;
  for (const [name, { sha256 }] of Object.entries(manifest.files)) {
    const found = await sha256Of(join(folder, name));
    if (found !== sha256) return `${name} has sha256 ${found}, expected ${sha256}`;
  }
  return undefined;
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}
