import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterError } from '../../errors.ts';
import { configOf, newToken, type ServerPlan } from './server-config.ts';

/** A server that this process has started. */
export interface RunningServer {
  /** With the token, if it has one. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const startMs = 15_000;

/**
 * Starts a server, and waits until it listens. It ends with this process where the system can see to that.
 * @throws {ClusterError} when it ends at once, or does not come up
 */
export async function startServer(binary: string, plan: ServerPlan): Promise<RunningServer> {
  const { folder, host = '127.0.0.1', port = 4222, token = newToken() } = plan;
  await mkdir(join(folder, 'store'), { recursive: true });
  const config = join(folder, 'server.conf');
  await rm(config, { force: true }); // one that is there would keep its permissions, and the token is for nobody else
  await writeFile(config, configOf({ ...plan, token }), { mode: 0o600 });
  const child = spawn(binary, ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await untilReady(child, `${host}:${port}`, () => said);
  const login = plan.authorization === undefined ? `${token}@` : '';
  return {
    url: `nats://${login}${host}:${port}`,
    port,
    pid: child.pid!, // it runs
    ended,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await ended;
    },
  };
}

async function untilReady(child: ChildProcess, where: string, said: () => string): Promise<void> {
  const endMs = performance.now() + startMs;
  let failure: Error | undefined;
  child.once('error', (error) => (failure = error));
  while (performance.now() < endMs) {
    if (said().includes('Server is ready')) return;
    if (failure || child.exitCode !== null || child.signalCode !== null)
      throw new ClusterError(
        `nats-server: expected it to listen on ${where}, got ${failure?.message ?? lastWords(said())}. Choose another --port, or look at its configuration.`,
        { where, said: said() },
      );
    await sleep(20);
  }
  child.kill('SIGKILL');
  throw new ClusterError(
    `nats-server: expected it to listen on ${where} within ${startMs / 1000} s, got ${lastWords(said())}. Try again.`,
  );
}

const lastWords = (said: string): string => said.trim().split('\n').at(-1)?.trim() || 'an end without a word';
