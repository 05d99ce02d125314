import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FetchError } from '../../../errors.ts';

/** What is asked of a package client. */
export interface WheelRequest {
  readonly requirement: string;
  readonly platforms: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** Downloads wheels from the user's package index. Tests pass a fake. */
export interface PackageClient {
  readonly name: string;
  /** Downloads one wheel into `folder`, whole or not at all, and returns its path. */
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
        await pipDownload(name, command, args, request, partial);
        const [wheel, ...others] = await readdir(partial);
        if (wheel === undefined || others.length > 0) {
          throw new FetchError(
            `${name}: expected one wheel for ${request.requirement}, got ${others.length + 1 - Number(!wheel)} files.`,
          );
        }
        await rename(join(partial, wheel), join(folder, wheel));
        return join(folder, wheel);
      } finally {
        await rm(partial, { recursive: true, force: true });
      }
    },
  };
}

async function pipDownload(
  name: string,
  command: string,
  args: readonly string[],
  { requirement, platforms, signal }: WheelRequest,
  folder: string,
): Promise<void> {
  const asked = [
    '--implementation',
    'cp',
    '--python-version',
    '3.12',
    ...platforms.flatMap((tag) => ['--platform', tag]),
  ];
  const quiet = ['--disable-pip-version-check', '--no-input', '--quiet'];
  const all = [
    ...args,
    'download',
    '--no-deps',
    '--only-binary=:all:',
    ...quiet,
    ...asked,
    '--dest',
    folder,
    requirement,
  ];
  const { exitCode, errors } = await runCommand(command, all, { signal });
  if (exitCode === 0) return;
  signal?.throwIfAborted();
  const reason = errors.trim().split('\n').slice(-2).join(' ').trim() || `exit status ${exitCode}`;
  throw new FetchError(
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
