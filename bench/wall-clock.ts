/**
 * Schemes against uniform sampling at equal time: the learning rate fully decayed in it, the same weights and order for a
 * seed, and a paired test over the seeds. Prints a table a task; losses are losses.
 *
 *     node --import tsx bench/wall-clock.ts [--quick] [--tasks a,b] [--schemes a,b] [--seconds 60 | --steps 2000]
 *         [--clock wall|processor] [--seeds 5] [--first-seed 0] [--rates 0.5,1,2] [--results FILE.jsonl] [--table]
 *
 * `--quick` is 8 seconds, 3 seeds, two tasks and four schemes. With `--results` each run is added to a file when it ends
 * and a run that is there is not run again, so that the comparison may be stopped and gone on with; `--table` only prints
 * what is there. `--rates` first finds uniform's own best rate among these factors of the task's, by two seeds that are
 * not used again; it then holds for all, and for the task with flipped labels.
 *
 * `--clock processor` counts the time that processors spent on this process, with one TensorFlow thread: on a quiet
 * machine the same as the wall's clock, and on one that others use as well still comparable.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import type { EngineName } from '../src/engine/engine.ts';
import { useEngine } from '../src/engine/use-engine.ts';
import type { Pipeline, PipelineCorpus } from '../src/pipeline.ts';
import { compare } from '../src/report/compare/compare.ts';
import { describeBudget, type RunBudget } from '../src/report/compare/verdict.ts';
import { spreadOf } from '../src/report/compare/statistics.ts';
import { clocks } from '../src/stream/clock.ts';
import type { ScheduleOptions } from '../src/train/schedule.ts';
import { tasks } from './tasks/tasks.ts';
import { criterion, Results, sameBudget } from './wall-clock/results.ts';
import { tablesOf } from './wall-clock/table.ts';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    tasks: { type: 'string' },
    schemes: { type: 'string' },
    seconds: { type: 'string' },
    steps: { type: 'string' },
    clock: { type: 'string', default: 'wall' },
    seeds: { type: 'string' },
    'first-seed': { type: 'string', default: '0' },
    rates: { type: 'string' },
    engine: { type: 'string', default: 'auto' },
    results: { type: 'string' },
    table: { type: 'boolean', default: false },
  },
});
const list = (given: string | undefined, otherwise: readonly string[]) => given?.split(',') ?? otherwise;
const quickSchemes = ['uniform', 'random-subset', 'upper-bound', 'fast'];
const names = list(flags.tasks, flags.quick ? ['mnist-cnn', 'mnist-long-tail'] : Object.keys(tasks));
const schemes = list(flags.schemes, flags.quick ? quickSchemes : [...quickSchemes, 'loss', 'selective-backprop']);
const seeds = Number(flags.seeds ?? (flags.quick ? 3 : 5));
const clock = flags.clock === 'processor' ? 'processor' : 'wall';
const budget: RunBudget = flags.steps
  ? { steps: Number(flags.steps) }
  : { seconds: Number(flags.seconds ?? (flags.quick ? 8 : 60)), clock };

/** Seeds from here on are for finding a rate. */
const sweepSeed = 1000;
const results = await Results.open(flags.results);

/** The pipeline with another peak rate, and a corpus that is opened once. */
function prepared(pipeline: Pipeline, factor: number): Pipeline {
  const { learningRate } = pipeline.options;
  if (typeof learningRate !== 'object') return pipeline;
  const scaled: ScheduleOptions = { ...learningRate, rate: learningRate.rate * factor };
  return { ...pipeline, options: { ...pipeline.options, learningRate: scaled } };
}

const opened = new Map<string, Promise<PipelineCorpus>>();
function once(name: string, pipeline: Pipeline): Pipeline {
  const openCorpus: Pipeline['openCorpus'] = (context) => {
    const corpus = opened.get(name) ?? pipeline.openCorpus(context);
    opened.set(name, corpus);
    return corpus;
  };
  return { ...pipeline, openCorpus };
}

const rotated = <Item>(items: readonly Item[], by: number): Item[] =>
  items.map((_, i) => items[(i + by) % items.length]!);

/** Runs what is not there yet, of one task and seed: schemes take turns in an order of the seed's own. */
async function run(
  name: string,
  chosen: readonly string[],
  { seed, rate }: { seed: number; rate: number },
): Promise<void> {
  const keys = rotated(chosen, seed).map((scheme) => ({ task: name, scheme, seed, rate, budget }));
  const missing = keys.filter((key) => !results.has(key)).map(({ scheme }) => scheme);
  if (missing.length === 0) return;
  let begun = { wall: clocks.wall(), processor: clocks.processor() };
  const done: Promise<void>[] = [];
  const input = { schemes: missing, ...budget, seeds: 1, firstSeed: seed, validations: 0, warmUp: !warm.has(name) };
  await compare(
    prepared(once(name, tasks[name]!), rate),
    {
      ...input,
      onRun: (entry, compared) => {
        if (!compared) return void (begun = { wall: clocks.wall(), processor: clocks.processor() });
        const { measures, trainLoss, summary } = compared;
        const { steps, openShare, meanTau } = summary;
        const wallSeconds = (clocks.wall() - begun.wall) / 1000;
        const processorSeconds = (clocks.processor() - begun.processor) / 1000;
        console.log(
          `  ${name} ${entry.scheme} seed ${seed} × ${rate}: ${criterion(compared).toPrecision(4)}, train loss ${trainLoss.toPrecision(3)}, ${steps} steps, ${processorSeconds.toFixed(0)} s (wall ${wallSeconds.toFixed(0)})`,
        );
        const measured = { measures, trainLoss, steps, openShare, meanTau, wallSeconds, processorSeconds };
        const key = { task: name, scheme: entry.scheme, seed, rate, budget };
        done.push(results.add({ ...key, ...measured, load: loadavg()[0]!, engine: engine.description }));
      },
    },
    engine,
  );
  warm.add(name);
  await Promise.all(done);
}
const warm = new Set<string>();

/** Uniform's best rate among those that were tried on this task: with this budget, or else with any. */
function bestRate(name: string): number {
  const task = name.replace(/-flipped$/, '');
  const tried = results.all.filter((result) => result.task === task && result.seed >= sweepSeed);
  const fitting = tried.filter((result) => sameBudget(result.budget, budget));
  const among = fitting.length > 0 ? fitting : tried;
  const means = [...new Set(among.map(({ rate }) => rate))].map((rate) => ({
    rate,
    error: spreadOf(among.filter((result) => result.rate === rate).map(criterion)).mean,
  }));
  return means.toSorted((a, b) => a.error - b.error)[0]?.rate ?? 1;
}

if (flags.table) {
  console.log(tablesOf(results.all, sweepSeed));
  process.exit();
}
const unknown = names.find((name) => !tasks[name]);
if (unknown) throw new Error(`No task \`${unknown}\`; there are ${Object.keys(tasks).join(', ')}.`);
const oneThread = { intraOpThreads: 1, interOpThreads: 1 };
const engine = await useEngine(flags.engine as EngineName | 'auto', clock === 'processor' ? oneThread : {}); // the engine checks the name
console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ${engine.description}`);
console.log(`${describeBudget(budget)} a run${clock === 'processor' ? ', one TensorFlow thread' : ''}`);
for (const seed of [sweepSeed, sweepSeed + 1])
  for (const name of names)
    for (const factor of flags.rates?.split(',') ?? []) await run(name, ['uniform'], { seed, rate: Number(factor) });
const firstSeed = Number(flags['first-seed']);
for (let seed = firstSeed; seed < firstSeed + seeds; seed++)
  for (const name of names) await run(name, schemes, { seed, rate: bestRate(name) });
const shown = results.all.filter(({ task, budget: own }) => names.includes(task) && sameBudget(own, budget));
console.log(`\n${tablesOf(shown, sweepSeed)}`);
