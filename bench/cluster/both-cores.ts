/** Mode `fast` on as many threads as there are cores, in a process of its own: `both-cores.ts ENGINE SECONDS SEEDS TASK,…` */
import type { EngineName } from '../../src/engine/engine.ts';
import { useEngine } from '../../src/engine/use-engine.ts';
import { tasks } from '../tasks/tasks.ts';
import { runArm } from './equal-time.ts';
import { readOnce } from './processes.ts';

const [engineName, seconds, seeds, names] = process.argv.slice(2) as [EngineName, string, string, string];
const engine = await useEngine(engineName);
for (const task of names.split(',')) {
  const pipeline = readOnce(tasks[task]!);
  const run = { task, arm: 'fast', engine, engineName } as const;
  await runArm(pipeline, { ...run, seed: 0, limit: { steps: 5 } }); // steps are compiled
  for (let seed = 0; seed < Number(seeds); seed++)
    console.log(JSON.stringify(await runArm(pipeline, { ...run, seed, limit: { seconds: Number(seconds) } })));
}
