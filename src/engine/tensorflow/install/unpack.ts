import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EngineError } from '../../../errors.ts';
import { cudaRequirements, findCudaLibraries, isCudaFile } from './cuda.ts';
import type { CheckedInstallOptions, InstallWorld } from './install-options.ts';
import type { FileRecord } from './manifest.ts';
import { download } from './obtain-wheel.ts';
import { entryNamed, openWheel, targetOf, type Wheel } from './wheel.ts';
import type { WheelSource } from './wheel-source.ts';

/** Unpacks the two libraries of a TensorFlow wheel. */
export async function unpackLibraries(
  wheel: Wheel,
  source: WheelSource,
  folder: string,
  options: CheckedInstallOptions,
  world: InstallWorld,
): Promise<Record<string, FileRecord>> {
  const entries = [source.framework, source.main].map((name) => entryNamed(wheel, name));
  return unpackAll(wheel, entries, (entry) => basename(entry), folder, options, world);
}

/**
 * Downloads and unpacks the NVIDIA wheels that `tensorflow` asks for, adding what it wrote to `files`.
 *
 * @returns the libraries to load before TensorFlow, in order
 */
export async function unpackCuda(
  tensorflow: Wheel,
  folder: string,
  files: Record<string, FileRecord>,
  options: CheckedInstallOptions,
  source: WheelSource,
  world: InstallWorld,
): Promise<string[]> {
  const downloads = join(dirname(folder), '.downloads');
  await mkdir(downloads, { recursive: true });
  for (const requirement of cudaRequirements(tensorflow.requirements)) {
    const name = /^[\w.-]+?(?=[<>=!~]|$)/u.exec(requirement)?.[0] ?? requirement;
    const prefix = `${name.replaceAll(/[-.]/gu, '_').toLowerCase()}-`;
    const wheel = await openWheel(await download(options, world, downloads, { ...source, requirement }, prefix));
    try {
      const entries = [...wheel.entries.keys()].filter(isCudaFile);
      Object.assign(files, await unpackAll(wheel, entries, (entry) => entry, folder, options, world));
    } finally {
      await wheel.close();
    }
  }
  return findCudaLibraries(folder);
}

async function unpackAll(
  wheel: Wheel,
  entries: readonly string[],
  nameOf: (entry: string) => string,
  folder: string,
  options: CheckedInstallOptions,
  world: InstallWorld,
): Promise<Record<string, FileRecord>> {
  const total = entries.reduce((sum, entry) => sum + (wheel.entries.get(entry) ?? 0), 0);
  const free = await world.freeBytes(folder);
  if (free < total) {
    throw new EngineError(
      `installEngine(): ${basename(wheel.file)} needs ${megabytes(total)} in ${dirname(folder)}, where ${megabytes(free)} are free. Free some, or set TAUSTREAM_CACHE.`,
      { needed: total, free },
    );
  }
  const files: Record<string, FileRecord> = {};
  let bytes = 0;
  for (const entry of entries) {
    const name = nameOf(entry);
    const onBytes = (more: number) => {
      bytes += more;
      options.onProgress?.({ stage: 'unpacking', what: name, bytes, total });
    };
    files[name] = await wheel.unpack(entry, targetOf(folder, name), { signal: options.signal, onBytes });
  }
  return files;
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
