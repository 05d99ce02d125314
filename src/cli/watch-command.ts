import type { Command } from 'commander';
import { watchRuns } from '../report/watch/watch-server.ts';
import { port } from './arguments.ts';
import type { Host } from './host.ts';
import { listenForInterrupt } from './interrupt.ts';

interface Flags {
  readonly port?: number;
  readonly host?: string;
  readonly token?: string;
}

/** `taustream watch [FOLDER]` */
export function addWatchCommand(program: Command, host: Host, exit: (code: number) => void): void {
  program
    .command('watch')
    .description('Shows runs as they go, on a web page of this machine.')
    .argument('[FOLDER]', 'the folder of runs, or of one run', 'runs')
    .option('--port <n>', 'where to listen; 0 takes a free one (default: 4380)', port)
    .option('--host <address>', 'let other machines connect; needs a token')
    .option('--token <text>', 'what a browser must send (default: the variable TAUSTREAM_TOKEN)')
    .action(async (folder: string, flags: Flags) => {
      const token = flags.token ?? process.env['TAUSTREAM_TOKEN'];
      using interrupt = listenForInterrupt();
      await using server = await watchRuns({ folder, ...flags, ...(token !== undefined && { token }) });
      host.stderr.write(`Watching ${folder} on ${server.url} (Ctrl-C ends)\n`);
      const { signal } = interrupt;
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      exit(0); // Ctrl-C is how it is meant to end
    });
}
