import { type Command, Option } from 'commander';
import type { InstallProgress } from '../engine/tensorflow/install/install-options.ts';
import type { Host } from './host.ts';
import { untilInterrupted } from './interrupt.ts';

interface InstallFlags {
  readonly cuda?: boolean;
  readonly wheel?: string;
  readonly tensorflow?: string;
}

/** `taustream engine install|list|remove` */
export function addEngineCommand(program: Command, host: Host, exit: (code: number) => void): void {
  const engine = program
    .command('engine')
    .description('Installs, lists and removes TensorFlow, the fast engine. It needs no compiler.');
  engine
    .command('install')
    .description("Fetches a current TensorFlow with pip or uv, and takes its libraries into the user's cache folder.")
    .option('--cuda', 'the CUDA build, with the NVIDIA libraries that it needs')
    .option('--wheel <file>', 'a TensorFlow wheel that is here already: nothing is downloaded')
    .addOption(new Option('--tensorflow <version>', 'its version (default: the one that the tests run on)'))
    .action(async (flags: InstallFlags) => exit(await untilInterrupted((signal) => install(flags, host, signal))));
  engine
    .command('list')
    .description('Says which engines are here, and which would be used.')
    .action(async () => exit(await list(host)));
  engine
    .command('remove')
    .description('Removes every TensorFlow from the cache folder.')
    .action(async () => exit(await remove(host)));
}

async function install(
  { cuda = false, wheel, tensorflow }: InstallFlags,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const { installEngine } = await import('../engine/tensorflow/install/install-engine.ts');
  let said = '';
  const onProgress = (progress: InstallProgress) => {
    const line = describeProgress(progress);
    if (line !== said) host.stderr.write(`${line}\n`);
    said = line;
  };
  const { folder, manifest } = await installEngine({
    cuda,
    onProgress,
    signal,
    ...(wheel === undefined ? {} : { wheel }),
    ...(tensorflow === undefined ? {} : { version: tensorflow }),
  });
  host.stdout.write(`TensorFlow ${manifest.version} (${manifest.variant}) is in ${folder}\n`);
  return 0;
}

/** A line for each tenth of a download, so that a log stays short. */
function describeProgress({ stage, what, bytes, total }: InstallProgress): string {
  const share = bytes !== undefined && total ? ` ${Math.floor((10 * bytes) / total) * 10} %` : '';
  return `${stage} ${what}${share}`;
}

async function list(host: Host): Promise<number> {
  const { findInstallations } = await import('../engine/tensorflow/install/installation.ts');
  const installations = await findInstallations();
  for (const { folder, manifest } of installations)
    host.stdout.write(`tensorflow  ${manifest.version} (${manifest.variant}) in ${folder}\n`);
  if (installations.length === 0)
    host.stdout.write('tensorflow  not installed: `npx taustream engine install` fetches it\n');
  host.stdout.write('wasm        comes with the package\ncpu         comes with the package: slow, the reference\n');
  const engine = await host.useEngine('auto');
  host.stdout.write(`\nWould be used: ${engine.name} (${engine.description})\n`);
  return 0;
}

async function remove(host: Host): Promise<number> {
  const { removeEngine } = await import('../engine/tensorflow/install/installation.ts');
  const removed = await removeEngine();
  const what = removed.length === 0 ? 'There was no TensorFlow to remove.' : `Removed ${removed.join(', ')}.`;
  host.stdout.write(`${what}\n`);
  return 0;
}
