/**
 * Schemes against uniform sampling by the clock: equal seconds, the learning rate fully decayed in them, the same weights
 * and order for a seed, and a paired test over the seeds. Prints a table a task; losses are losses.
 *
 *     node --import tsx bench/wall-clock.ts [--quick] [--tasks a,b] [--schemes a,b] [--seconds 60 | --steps 2000] [--seeds 5] [--out bench/results]
 *
 * `--quick` is 8 seconds, 3 seeds, two tasks and four schemes. `--sweep` first finds uniform's own best rate among four,
 * which then holds for all.
 */
import { mkdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { useEngine } from '../src/engine/use-engine.ts';
import { compare, type Comparison } from '../src/report/compare/compare.ts';
import { comparisonText } from '../src/report/compare/table.ts';
import { writeComparison } from '../src/report/compare/write-comparison.ts';
import type { Engine, EngineName } from '../src/engine/engine.ts';
import type { Pipeline } from '../src/pipeline.ts';
import type { ScheduleOptions } from '../src/train/schedule.ts';
import { tasks } from './tasks/tasks.ts';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    sweep: { type: 'boolean', default: false },
    tasks: { type: 'string' },
    schemes: { type: 'string' },
    seconds: { type: 'string' },
    steps: { type: 'string' },
    seeds: { type: 'string' },
    engine: { type: 'string', default: 'auto' },
    out: { type: 'string' },
  },
});
const list = (given: string | undefined, otherwise: readonly string[]) => given?.split(',') ?? otherwise;
const names = list(flags.tasks, flags.quick ? ['mnist-cnn', 'mnist-long-tail'] : Object.keys(tasks));
const schemes = list(
  flags.schemes,
  flags.quick
    ? ['uniform', 'random-subset', 'upper-bound', 'fast']
    : ['uniform', 'random-subset', 'loss', 'upper-bound', 'selective-backprop', 'online-scores', 'fast'],
);
const seeds = Number(flags.seeds ?? (flags.quick ? 3 : 5));
const budget = flags.steps
  ? { steps: Number(flags.steps) }
  : { seconds: Number(flags.seconds ?? (flags.quick ? 8 : 60)) };

/** The pipeline with another peak rate. */
function withRate(pipeline: Pipeline, factor: number): Pipeline {
  const { learningRate } = pipeline.options;
  if (typeof learningRate !== 'object') return pipeline;
  const scaled: ScheduleOptions = { ...learningRate, rate: learningRate.rate * factor };
  return { ...pipeline, options: { ...pipeline.options, learningRate: scaled } };
}

/** Uniform's own best rate among four, by one seed that is not used again. */
async function bestRate(pipeline: Pipeline, engine: Engine): Promise<number> {
  const results: { factor: number; value: number }[] = [];
  for (const factor of [0.5, 1, 2, 4]) {
    const one = { schemes: ['uniform'], ...budget, seeds: 1, firstSeed: 1000, validations: 0 };
    const { verdict } = await compare(withRate(pipeline, factor), one, engine);
    results.push({ factor, value: verdict.rows[0]!.criterion.mean });
    console.log(`  rate × ${factor}: uniform's ${verdict.criterion} ${verdict.rows[0]!.criterion.mean.toPrecision(4)}`);
  }
  return results.toSorted((a, b) => a.value - b.value)[0]!.factor;
}

const engine = await useEngine(flags.engine as EngineName | 'auto');
console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ${engine.description}`);
for (const name of names) {
  const task = tasks[name];
  if (!task) throw new Error(`No task \`${name}\`; there are ${Object.keys(tasks).join(', ')}.`);
  const factor = flags.sweep ? await bestRate(task, engine) : 1;
  const comparison: Comparison = await compare(withRate(task, factor), { schemes, ...budget, seeds }, engine);
  console.log(`\n${name}, learning rate ${comparison.learningRate}, seeds ${comparison.seeds.join(', ')}`);
  console.log(comparisonText(comparison));
  if (flags.out === undefined) continue;
  const folder = join(flags.out, name);
  await mkdir(folder, { recursive: true });
  await writeComparison(folder, comparison);
}
