import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../../errors.ts';
import type { LibraryFiles } from '../binding/library.ts';
import { installationsFolder } from './cache-folder.ts';
import { withLock } from './lock.ts';
import { findMissing, readManifest, type Manifest } from './manifest.ts';

/** A TensorFlow on this machine. */
export interface Installation {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly files: LibraryFiles;
}

/** The lock that installing and removing take. */
export const lockFile = (cacheDir?: string): string => join(installationsFolder(cacheDir), '.lock');

/** Finds the installations, the one to use first: CUDA before CPU where `preferCuda`, then the newest. */
export async function findInstallations(cacheDir?: string, preferCuda = false): Promise<Installation[]> {
  const root = installationsFolder(cacheDir);
  const names = await readdir(root).catch(() => []); // no such folder: nothing is installed
  const found: Installation[] = [];
  for (const name of names.filter((entry) => !entry.startsWith('.'))) {
    const folder = join(root, name);
    const manifest = await readManifest(folder);
    if (manifest) found.push({ folder, manifest, files: filesOf(folder, manifest) });
  }
  const rank = ({ manifest }: Installation) => (manifest.variant === (preferCuda ? 'cuda' : 'cpu') ? 1 : 0);
  return found.toSorted((a, b) => rank(b) - rank(a) || compareVersions(b.manifest.version, a.manifest.version));
}

const filesOf = (folder: string, manifest: Manifest): LibraryFiles => ({
  framework: join(folder, manifest.framework),
  main: join(folder, manifest.main),
  before: manifest.before.map((file) => join(folder, file)),
});

/**
 * The installation to load, with every file present and of the right size.
 *
 * @throws {EngineError} when nothing is installed, or what is installed is damaged
 */
export async function usableInstallation(cacheDir?: string, preferCuda = false): Promise<Installation> {
  const [installation] = await findInstallations(cacheDir, preferCuda);
  if (!installation) {
    throw new EngineError(
      `engine tensorflow: it is not installed in ${installationsFolder(cacheDir)}. Run \`npx taustream engine install\`, or use the engine \`wasm\`.`,
    );
  }
  const missing = await findMissing(installation.folder, installation.manifest);
  if (missing === undefined) return installation;
  throw new EngineError(
    `engine tensorflow: the installation in ${installation.folder} is damaged: ${missing}. Run \`npx taustream engine install\`.`,
    { folder: installation.folder },
  );
}

/**
 * Tells whether TensorFlow is installed for this engine, with every file there and of the right size.
 *
 * @param cacheDir where engines live
 *
 * @example
 * if (!(await isInstalled())) console.log('the engine wasm will be used: npx taustream engine install fetches the fast one');
 */
export async function isInstalled(cacheDir?: string): Promise<boolean> {
  return usableInstallation(cacheDir).then(
    () => true,
    () => false,
  );
}

/**
 * Removes installations of TensorFlow, leaving other contents of the cache alone.
 *
 * @param options where engines live, and which version to remove; all of them, if left out
 * @returns the folders removed
 *
 * @example
 * const removed = await removeEngine({ version: '2.20.0' });
 * console.log(removed.length); // 0: that version was not there
 */
export function removeEngine(
  options: { readonly cacheDir?: string; readonly version?: string } = {},
): Promise<string[]> {
  return withLock(lockFile(options.cacheDir), async () => {
    const removed: string[] = [];
    for (const { folder, manifest } of await findInstallations(options.cacheDir)) {
      if (options.version !== undefined && manifest.version !== options.version) continue;
      await rm(folder, { recursive: true, force: true });
      removed.push(folder);
    }
    return removed;
  });
}

const numbers = (version: string) => version.split('.').map((part) => Number.parseInt(part, 10) || 0);

function compareVersions(a: string, b: string): number {
  const left = numbers(a);
  const right = numbers(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
