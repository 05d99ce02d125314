/** Processes of a fleet on this machine: a server, and workers of one thread each, with the processor time of each. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startServer, type RunningServer } from '../../src/cluster/server/nats-server.ts';
import { obtainServer } from '../../src/cluster/server/obtain-server.ts';
import type { EngineName } from '../../src/engine/engine.ts';
import type { Pipeline, PipelineCorpus } from '../../src/pipeline.ts';

/** The name under which the benches' runs are known to the server. */
export const runName = 'bench';

/** One thread, where an engine has a choice. */
export const oneThread = (engine: EngineName) =>
  engine === 'tensorflow' ? { intraOpThreads: 1, interOpThreads: 1 } : {};

/** A server whose store goes with it. */
export interface BenchServer extends AsyncDisposable {
  readonly server: RunningServer;
}

export async function startBenchServer(): Promise<BenchServer> {
  const folder = await mkdtemp(join(tmpdir(), 'taustream-bench-cluster-'));
  const server = await startServer(await obtainServer(), { folder, port: await freePort(), token: 'bench' });
  return {
    server,
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo; // it listens on TCP
  probe.close();
  return port;
}

/** A worker in a process of its own; what it says comes as lines. */
export class WorkerProcess {
  readonly child: ChildProcess;
  #said = '';
  #watchers: (() => void)[] = [];

  /**
   * @param where a server's address, or `alone`: scoring in a loop, without a fleet
   * @param amount seconds of that; parts of a player
   */
  constructor(
    task: string,
    engine: EngineName,
    where: string,
    amount = 0,
    program: 'worker.ts' | 'player.ts' = 'worker.ts',
  ) {
    const file = fileURLToPath(new URL(program, import.meta.url));
    this.child = spawn(process.execPath, ['--import', 'tsx', file, task, engine, where, String(amount)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
      for (const watch of this.#watchers) watch();
    });
  }

  /** The match of what it says, as soon as there is one. @throws when it ends before */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const ended = once(this.child, 'close').then(() => {
      throw new Error(`The worker ended before it said ${String(pattern)}: ${this.#said}`);
    });
    const said = new Promise<RegExpExecArray>((resolve) => {
      const watch = () => {
        const match = pattern.exec(this.#said);
        if (match) resolve(match);
      };
      this.#watchers.push(watch);
      watch();
    });
    return await Promise.race([said, ended]);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = once(this.child, 'close');
    this.child.kill('SIGKILL');
    await closed;
  }
}

/** Processor seconds of a process so far; 100 ticks a second, as Linux counts them. */
export async function processorSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /u, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** A pipeline whose corpus is read once, however many runs there are. */
export function readOnce(pipeline: Pipeline): Pipeline {
  let opened: Promise<PipelineCorpus> | undefined;
  return { ...pipeline, openCorpus: (context) => (opened ??= pipeline.openCorpus(context)) };
}
