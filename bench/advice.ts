/**
 * What `advise` says of the benches' tasks before any is compared, to be held against what bench/wall-clock.ts found.
 *
 *     node --import tsx bench/advice.ts [--tasks a,b] [--steps 600] [--engine auto] [--seed 1]
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { EngineName } from '../src/engine/engine.ts';
import { fuse } from '../src/engine/layers/fuse.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import { unlimitedFitOptions } from '../src/pipeline.ts';
import { advise } from '../src/report/advise.ts';
import { tasks } from './tasks/tasks.ts';

const { values: flags } = parseArgs({
  options: {
    tasks: { type: 'string', default: 'fashion-cnn,pixel-lstm,moby-dick,electric-devices,spam-assassin,mnist-cnn' },
    steps: { type: 'string', default: '600' },
    engine: { type: 'string', default: 'auto' },
    seed: { type: 'string', default: '1' },
  },
});
const [steps, seed] = [Number(flags.steps), Number(flags.seed)];
const engine = await useEngine(flags.engine as EngineName | 'auto', { intraOpThreads: 1, interOpThreads: 1 });
console.log(
  `${cpus()[0]?.model}, Node ${process.version}, ${engine.description}, seed ${seed}, after ${steps} steps\n`,
);
console.log('| task | pays | worth at best | score / step | τ | noise scale | easy |\n|---|---|---|---|---|---|---|');
for (const name of flags.tasks.split(',')) {
  const own = unlimitedFitOptions(tasks[name]!);
  const corpus = await tasks[name]!.openCorpus({ seed, engine });
  const model = await tasks[name]!.buildModel({ seed, engine, corpus });
  fuse(model);
  const { pays, best, scoreMs, stepMs, noiseScale, easyShare } = await advise(model, corpus.train, own, { steps });
  const cells = [
    name,
    pays ? 'yes' : 'no',
    best.worth.toFixed(2),
    (scoreMs / stepMs).toFixed(2),
    best.tau.toFixed(2),
    noiseScale.toPrecision(2),
    `${(100 * easyShare).toFixed(0)} %`,
  ];
  console.log(`| ${cells.join(' | ')} |`);
  model.optimizer.dispose();
  model.dispose();
}
