/**
 * What a step costs the trainer when minibatches come from a fleet, against a uniform step of its own: the processor time
 * of all of its process, receiving, unpacking and giving parameters out included, so that nothing is hidden in a wait.
 */
import { fleet } from '../../src/cluster/fleet.ts';
import type { Engine, EngineName } from '../../src/engine/engine.ts';
import { unlimitedFitOptions } from '../../src/pipeline.ts';
import { fit } from '../../src/train/fit.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
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

export async function measureStep(options: StepOptions): Promise<void> {
  await using started = await startBenchServer();
  const { url } = started.server;
  const { task, engineName, parametersEvery, pairs } = options;
  const worker = new WorkerProcess(task, engineName, url);
  const pipeline = readOnce(tasks[task]!);
  const run = async (changes: Partial<FitOptions>): Promise<number> => {
    const context = { seed, engine: options.engine };
    const corpus = await pipeline.openCorpus(context);
    const model = await pipeline.buildModel({ ...context, corpus });
    const from = Math.ceil(options.steps / 4);
    let [began, ended, taken] = [0, 0, 0];
    try {
      await fit(model, corpus.train, {
        ...unlimitedFitOptions(pipeline),
        ...changes,
        mode: 'paper',
        seed,
        steps: options.steps,
        onStep: ({ step }) => {
          ended = processorMs();
          if (step === from) began = ended;
          else if (step > from) taken += 1;
        },
      });
    } finally {
      model.optimizer.dispose();
      model.dispose();
    }
    return (ended - began) / taken;
  };
  const source = () => fleet({ url, run: runName, parametersEvery, jobPresamples: 2 });
  const both: [uniform: number, elsewhere: number][] = [];
  try {
    await run({ scheme: 'uniform' }); // steps are compiled, and the worker has joined
    await run({ scheme: 'upper-bound', tauThreshold: 0, source: source() });
    for (let pair = 0; pair < pairs; pair++)
      both.push([
        await run({ scheme: 'uniform' }),
        await run({ scheme: 'upper-bound', tauThreshold: 0, source: source() }),
      ]);
  } finally {
    await worker.stop();
  }
  const middle = (all: readonly number[]) => all.toSorted((x, y) => x - y)[all.length >> 1]!;
  const ratios = both.map(([uniform, elsewhere]) => elsewhere / uniform);
  console.log(
    `${task}, parameters every ${parametersEvery}: uniform ${middle(both.map(([own]) => own)).toFixed(2)} ms of processor time a step, ` +
      `scored elsewhere ${middle(both.map(([, own]) => own)).toFixed(2)} ms; ` +
      `ratio ${middle(ratios).toFixed(3)} (${ratios.map((ratio) => ratio.toFixed(3)).join(' ')}; goal 1.05)`,
  );
}

/** Milliseconds of all of this process's threads. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
