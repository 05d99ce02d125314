import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EngineError } from '../../../errors.ts';
import { parseOptions } from '../../../options.ts';
import { installationsFolder } from './cache-folder.ts';
import { InstallOptions, thisWorld, type CheckedInstallOptions, type InstallWorld } from './install-options.ts';
import { findInstallations, lockFile, type Installation } from './installation.ts';
import { withLock } from './lock.ts';
import { findMissing, writeManifest, type Manifest } from './manifest.ts';
import { obtainWheel } from './obtain-wheel.ts';
import { unpackCuda, unpackLibraries } from './unpack.ts';
import { openWheel } from './wheel.ts';
import { wheelSource, type WheelSource } from './wheel-source.ts';

/**
 * Installs TensorFlow's library for this machine into the user's cache folder: a wheel is downloaded with pip (or given),
 * its two libraries are unpacked and checked, and the folder appears under its name only when it is whole. It is safe to
 * run twice at once, and again after a failure: a wheel that arrived whole is not downloaded again, and one that was cut off
 * goes on from there.
 *
 * @returns the installation; the same one when it is there already
 * @throws {EngineError} for an unsupported machine, a damaged wheel, too little disk space
 * @throws {FetchError} when there is no package client or it fails
 *
 * @example
 * await installEngine({ onProgress: ({ stage, what }) => console.error(stage, what) });
 */
export async function installEngine(
  input: InstallOptions = {},
  world: InstallWorld = thisWorld,
): Promise<Installation> {
  const options = parseOptions('installEngine()', InstallOptions, input);
  const source = wheelSource(world.target, options.version, options.cuda);
  const wait = (owner: string) => options.onProgress?.({ stage: 'waiting', what: `another installation: ${owner}` });
  const locked = { signal: options.signal, onWait: wait };
  return withLock(lockFile(options.cacheDir), () => install(options, source, world), locked).catch((error: unknown) => {
    throw explainWriteError(error, installationsFolder(options.cacheDir));
  });
}

async function install(
  options: CheckedInstallOptions,
  source: WheelSource,
  world: InstallWorld,
): Promise<Installation> {
  const variant = options.cuda ? 'cuda' : 'cpu';
  const root = installationsFolder(options.cacheDir);
  const present = options.wheel === undefined ? await findPresent(options, variant) : undefined;
  if (present) return present;
  await clearLeftovers(root);
  const wheelFile = await obtainWheel(options, source, world, join(root, '.downloads'));
  const wheel = await openWheel(wheelFile);
  const staging = join(root, `.installing-${randomUUID()}`);
  try {
    await mkdir(staging, { recursive: true });
    const files = await unpackLibraries(wheel, source, staging, options, world);
    const before = options.cuda ? await unpackCuda(wheel, staging, files, options, source, world) : [];
    const manifest: Manifest = {
      version: wheel.version,
      variant,
      wheel: basename(wheelFile),
      ...names(source),
      before,
      files,
    };
    await writeManifest(staging, manifest);
    await replaceFolder(staging, join(root, `${manifest.version}-${variant}`));
  } finally {
    await wheel.close();
    await rm(staging, { recursive: true, force: true });
  }
  await rm(join(root, '.downloads'), { recursive: true, force: true });
  options.onProgress?.({ stage: 'done', what: `TensorFlow ${wheel.version} (${variant})` });
  const installed = (await findInstallations(options.cacheDir)).find(
    ({ manifest }) => manifest.version === wheel.version && manifest.variant === variant,
  );
  if (!installed)
    throw new EngineError(`installEngine(): ${root} lost the installation that was just written. Run it again.`);
  return installed;
}

const names = ({ framework, main }: WheelSource) => ({ framework, main });

async function findPresent(options: CheckedInstallOptions, variant: string): Promise<Installation | undefined> {
  for (const installation of await findInstallations(options.cacheDir)) {
    const { version, variant: has } = installation.manifest;
    if (version !== options.version || has !== variant) continue;
    if ((await findMissing(installation.folder, installation.manifest)) === undefined) return installation;
  }
  return undefined;
}

/** Removes what an installation that was killed left behind. The lock is held, so nobody else is at work. */
async function clearLeftovers(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    if (name.startsWith('.installing-') || name.startsWith('.replaced-'))
      await rm(join(root, name), { recursive: true, force: true });
  }
}

/** Puts a finished folder in its place; an older one steps aside first, so there is never half of one. */
async function replaceFolder(staging: string, target: string): Promise<void> {
  const aside = join(dirname(target), `.replaced-${randomUUID()}`);
  await rename(target, aside).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  });
  await rename(staging, target);
  await rm(aside, { recursive: true, force: true });
}

function explainWriteError(error: unknown, root: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new EngineError(
      `installEngine(): the disk that holds ${root} is full. Free some space, or set TAUSTREAM_CACHE.`,
      { code },
      { cause: error },
    );
  }
  // ENOENT and ENOTDIR: a folder above it cannot be made
  if (['EACCES', 'EROFS', 'EPERM', 'ENOENT', 'ENOTDIR'].includes(String(code))) {
    return new EngineError(
      `installEngine(): ${root} cannot be written. Check its permissions, or set TAUSTREAM_CACHE.`,
      { code },
      { cause: error },
    );
  }
  return error;
}
