import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer, type RunningServer } from '../../src/cluster/server/nats-server.ts';
import { obtainServer } from '../../src/cluster/server/obtain-server.ts';
import type { ServerPlan } from '../../src/cluster/server/server-config.ts';

/** A server of the tests' own, which can be killed and started again with the store that it had. */
export class TestServer {
  readonly folder: string;
  readonly port: number;
  readonly #plan: Partial<ServerPlan>;
  #running: RunningServer | undefined;

  private constructor(folder: string, port: number, plan: Partial<ServerPlan>) {
    this.folder = folder;
    this.port = port;
    this.#plan = plan;
  }

  static async start(plan: Partial<ServerPlan> = {}): Promise<TestServer> {
    const folder = plan.folder ?? (await mkdtemp(join(tmpdir(), 'taustream-nats-')));
    const server = new TestServer(folder, await freePort(), plan);
    await server.start();
    return server;
  }

  get url(): string {
    return this.#running!.url;
  }

  async start(): Promise<void> {
    const plan = { token: 'secret', ...this.#plan, folder: this.folder, port: this.port };
    this.#running = await startServer(await obtainServer(), plan);
  }

  async kill(): Promise<void> {
    await this.#running?.stop('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Starts a server, does something with it, and stops it. */
export async function withServer<T>(
  plan: Parameters<typeof TestServer.start>[0],
  action: (server: TestServer) => Promise<T>,
): Promise<T> {
  const server = await TestServer.start(plan);
  try {
    return await action(server);
  } finally {
    await server.stop();
  }
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
