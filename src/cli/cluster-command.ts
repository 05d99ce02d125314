import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { askStatus } from '../cluster/ask-status.ts';
import { startServer } from '../cluster/server/nats-server.ts';
import { obtainServer } from '../cluster/server/obtain-server.ts';
import { newToken } from '../cluster/server/server-config.ts';
import { describeStatus } from '../cluster/describe-status.ts';
import { ClusterError, OptionsError } from '../errors.ts';
import { port } from './arguments.ts';
import { addServerFlags, expectServer, type ServerFlags } from './cluster-flags.ts';
import type { Host } from './host.ts';
import { listenForInterrupt } from './interrupt.ts';

interface UpFlags {
  readonly port?: number;
  readonly host?: string;
  readonly token?: string;
  readonly store?: string;
}

/** `taustream cluster up` and `taustream cluster status` */
export function addClusterCommand(program: Command, host: Host, exit: (code: number) => void): void {
  const cluster = program
    .command('cluster')
    .description('A server for scoring on other machines, and what goes on there.');
  cluster
    .command('up')
    .description('Starts a NATS JetStream server, fetched once as a package; it ends with Ctrl-C.')
    .option('--port <n>', 'where it listens (default: 4222)', port)
    .option('--host <address>', 'lets other machines connect: 0.0.0.0 for all (default: 127.0.0.1)')
    .option('--token <text>', 'what trainer and workers must give (default: made up, and printed)')
    .option('--store <folder>', 'where it keeps its streams (default: a temporary folder)')
    .action(async (flags: UpFlags) => exit(await up(flags, host)));
  addServerFlags(cluster.command('status').description('Shows workers, rates, ages of scores, and the queue of a run.'))
    .option('--json', 'print one JSON object')
    .action(async (flags: ServerFlags & { readonly json?: boolean }) => exit(await status(flags, host)));
}

/** @returns the exit code */
async function up(flags: UpFlags, host: Host): Promise<number> {
  using interrupt = listenForInterrupt();
  const note = (line: string) => host.stderr.write(`${line}\n`);
  const binary = await obtainServer({ signal: interrupt.signal, onNote: note });
  const temporary = flags.store === undefined ? await mkdtemp(join(tmpdir(), 'taustream-cluster-')) : undefined;
  try {
    const server = await startServer(binary, {
      folder: flags.store ?? temporary!, // one of them is there
      token: flags.token ?? newToken(),
      ...(flags.port !== undefined && { port: flags.port }),
      ...(flags.host !== undefined && { host: flags.host }),
    });
    host.stdout.write(`${server.url}\n`);
    note(`Train with --cluster ${server.url}; Ctrl-C ends the server.`);
    const interrupted = new Promise<'interrupted'>((resolve) => {
      if (interrupt.signal.aborted) resolve('interrupted');
      interrupt.signal.addEventListener('abort', () => resolve('interrupted'), { once: true });
    });
    const outcome = await Promise.race([interrupted, server.ended]);
    await server.stop();
    if (outcome === 'interrupted') return interrupt.exitCode ?? 0;
    throw new ClusterError('nats-server: expected it to run until Ctrl-C, got an end. Look for what has ended it.');
  } finally {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  }
}

/** @returns the exit code */
async function status(flags: ServerFlags & { readonly json?: boolean }, host: Host): Promise<number> {
  const server = expectServer('cluster status', flags);
  const { run } = server;
  if (run === undefined)
    throw new OptionsError('taustream cluster status: expected --run NAME, got none. Name the run.');
  const found = await askStatus({ ...server, run });
  host.stdout.write(flags.json ? `${JSON.stringify(found)}\n` : describeStatus(found));
  return 0;
}
