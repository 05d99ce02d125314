/**
 * What a step costs the trainer when minibatches come from a fleet, against a uniform step of its own: by the clock, and
 * by the processor time of all of its process, receiving, unpacking and giving parameters out included.
 *
 * A worker that scores on the trainer's own cores takes them from it, which a fleet on other machines does not. So there
 * are three kinds of fleet: one that scores here, of which the clock tells little; one that only sends what was scored
 * before (`player.ts`); and one that has sent all and stands still, so that nothing is received in the steps counted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { askStatus } from '../../src/cluster/ask-status.ts';
import { fleet } from '../../src/cluster/fleet.ts';
import type { Engine, EngineName } from '../../src/engine/engine.ts';
import { unlimitedFitOptions, type Pipeline } from '../../src/pipeline.ts';
import { fit } from '../../src/train/fit.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { median } from '../median.ts';
import { tasks } from '../tasks/tasks.ts';
import { readOnce, runName, startBenchServer, WorkerProcess } from './processes.ts';

export interface StepOptions {
  readonly task: string;
  readonly engine: Engine;
  readonly engineName: EngineName;
  readonly steps: number;
  readonly pairs: number;
  readonly parametersEvery: number;
}

const seed = 7;
/** Parts that a player has scored, and sends in turn. */
const playedParts = 24;

/** Milliseconds a step. */
interface Cost {
  readonly clock: number;
  readonly processor: number;
}

const kinds = {
  live: 'scored here',
  played: 'scored before, received while training',
  queued: 'received before, workers stopped',
} as const;
type Kind = keyof typeof kinds;

export async function measureStep(options: StepOptions): Promise<void> {
  const { task, parametersEvery, pairs } = options;
  const pipeline = readOnce(tasks[task]!);
  console.log(`${task}, parameters every ${parametersEvery} (goal 1.05):`);
  for (const kind of Object.keys(kinds) as Kind[]) {
    const costs: { readonly uniform: Cost; readonly elsewhere: Cost }[] = [];
    await using rig = await Rig.open(options, pipeline, kind);
    await rig.uniform(); // steps are compiled
    await rig.elsewhere(); // the worker has joined
    for (let pair = 0; pair < pairs; pair++)
      costs.push({ uniform: await rig.uniform(), elsewhere: await rig.elsewhere() });
    console.log(`  ${kinds[kind]}: ${(['clock', 'processor'] as const).map((by) => describe(costs, by)).join('; ')}`);
  }
}

function describe(costs: readonly { readonly uniform: Cost; readonly elsewhere: Cost }[], by: keyof Cost): string {
  const ratios = costs.map(({ uniform, elsewhere }) => elsewhere[by] / uniform[by]);
  const middle = (arm: 'uniform' | 'elsewhere') => median(costs.map((cost) => cost[arm][by])).toFixed(2);
  return (
    `${by} ${middle('uniform')} to ${middle('elsewhere')} ms, ` +
    `ratio ${median(ratios).toFixed(3)} (${ratios.map((ratio) => ratio.toFixed(2)).join(' ')})`
  );
}

/** A server, who works for the trainer, and the trainer's runs. */
class Rig implements AsyncDisposable {
  readonly #options: StepOptions;
  readonly #pipeline: Pipeline;
  readonly #kind: Kind;
  readonly #started: Awaited<ReturnType<typeof startBenchServer>>;
  readonly #worker: WorkerProcess;

  static async open(options: StepOptions, pipeline: Pipeline, kind: Kind): Promise<Rig> {
    return new Rig(options, pipeline, kind, await startBenchServer());
  }

  private constructor(
    options: StepOptions,
    pipeline: Pipeline,
    kind: Kind,
    started: Awaited<ReturnType<typeof startBenchServer>>,
  ) {
    [this.#options, this.#pipeline, this.#kind, this.#started] = [options, pipeline, kind, started];
    const { task, engineName } = options;
    const program = kind === 'live' ? 'worker.ts' : 'player.ts';
    this.#worker = new WorkerProcess(task, engineName, started.server.url, playedParts, program);
  }

  uniform(): Promise<Cost> {
    return this.#run({ scheme: 'uniform' });
  }

  async elsewhere(): Promise<Cost> {
    const { parametersEvery, steps } = this.#options;
    const { url } = this.#started.server;
    const isQueued = this.#kind === 'queued';
    const source = fleet({
      url,
      run: runName,
      parametersEvery,
      ...(isQueued && { ahead: steps, credits: steps }),
    });
    const importance = { scheme: 'upper-bound', tauThreshold: 0, source } as const;
    if (!isQueued) return await this.#run(importance);
    const from = Math.ceil(steps / 4);
    try {
      return await this.#run(importance, async () => {
        while ((await askStatus({ url, run: runName })).partsReady < steps - from) await sleep(50);
        this.#worker.child.kill('SIGSTOP');
      });
    } finally {
      this.#worker.child.kill('SIGCONT');
    }
  }

  /** Costs of the last three quarters of a run. @param ready waited for before them */
  async #run(changes: Partial<FitOptions>, ready?: () => Promise<void>): Promise<Cost> {
    const { engine, steps } = this.#options;
    const context = { seed, engine };
    const corpus = await this.#pipeline.openCorpus(context);
    const model = await this.#pipeline.buildModel({ ...context, corpus });
    const from = Math.ceil(steps / 4);
    const now = () => ({ clock: performance.now(), processor: processorMs() });
    let [began, ended] = [now(), now()];
    try {
      await fit(model, corpus.train, {
        ...unlimitedFitOptions(this.#pipeline),
        ...changes,
        mode: 'paper',
        seed,
        steps,
        onStep: async ({ step }) => {
          if (step === from) await ready?.();
          if (step === from) began = now();
          if (step === steps) ended = now();
        },
      });
    } finally {
      model.optimizer.dispose();
      model.dispose();
    }
    const taken = steps - from;
    return { clock: (ended.clock - began.clock) / taken, processor: (ended.processor - began.processor) / taken };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.stop();
    await this.#started[Symbol.asyncDispose]();
  }
}

/** Milliseconds of all of this process's threads. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
