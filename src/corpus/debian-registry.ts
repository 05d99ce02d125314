import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FetchError } from '../errors.ts';
import { reasonOf, tarEntries } from './npm-registry.ts';
import type { ArchiveEntry, PackageRef, Registry } from './recipe.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 600_000;

/** Debian's packages through `apt-get download`, and unpacked by `dpkg-deb`: nothing is installed, nothing of a package is run. */
export const debianRegistry: Registry = { download, entries };

async function download({ name }: PackageRef, folder: string, signal?: AbortSignal): Promise<string> {
  try {
    await run('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', name], {
      cwd: folder,
      timeout: TIMEOUT_MS,
      maxBuffer: 2 ** 24,
      ...(signal && { signal }),
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw notFetched(name, cause);
  }
  const archive = (await readdir(folder)).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw notFetched(name, new Error('no archive'));
  return join(folder, archive);
}

async function* entries(archive: string): AsyncGenerator<ArchiveEntry, void, void> {
  const unpacking = spawn('dpkg-deb', ['--fsys-tarfile', archive], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(unpacking, 'close'); // rejects when there is no dpkg-deb
  ended.catch(() => {}); // told below
  try {
    for await (const entry of tarEntries(archive, unpacking.stdout))
      yield { ...entry, path: entry.path.replace(/^\.\//, '') };
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw new Error(`exit code ${code} of dpkg-deb`);
  } catch (cause) {
    if (cause instanceof FetchError) throw cause;
    throw new FetchError(
      `fetchCorpus(): expected a Debian package that dpkg-deb reads, got ${reasonOf(cause)}. Fetch again; if it stays so, check the mirror.`,
      { archive },
      { cause },
    );
  } finally {
    unpacking.kill();
  }
}

const notFetched = (name: string, cause: unknown) =>
  new FetchError(
    `fetchCorpus(): expected the Debian package ${name}, got ${reasonOf(cause)}. ` +
      `On Debian or Ubuntu, check \`apt-get update\` and the network; elsewhere fetch \`${name}\` from a Debian mirror and put its files into the data folder.`,
    { package: name },
    { cause },
  );
