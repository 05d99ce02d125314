import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { engineNames, type EngineName } from '../engine/engine.ts';
import { compare, type ComparedRun } from '../report/compare/compare.ts';
import { comparisonText } from '../report/compare/table.ts';
import { writeComparison } from '../report/compare/write-comparison.ts';
import { clockNames } from '../stream/clock.ts';
import { significant } from '../report/format.ts';
import { createRunFolder } from '../report/run-folder.ts';
import { positive, wholeAbove } from './arguments.ts';
import type { Host } from './host.ts';
import { listenForInterrupt } from './interrupt.ts';
import { loadPipeline } from './load-pipeline.ts';

interface Flags {
  readonly schemes: string;
  readonly corpus?: string;
  readonly seconds?: number;
  readonly clock?: (typeof clockNames)[number];
  readonly steps?: number;
  readonly seeds?: number;
  readonly seed?: number;
  readonly engine?: EngineName | 'auto';
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** `taustream compare FILE` */
export function addCompareCommand(program: Command, host: Host, exit: (code: number) => void): void {
  program
    .command('compare')
    .description('Trains the pipeline that FILE exports by several schemes, fairly, and says which is better.')
    .argument('<FILE>', 'a TypeScript or JavaScript file with `export default definePipeline({ … })`')
    .option(
      '--schemes <a,b,…>',
      'schemes, `NAME:fast`, or `fast`; the first is the baseline',
      'uniform,upper-bound,fast',
    )
    .option('--corpus <path>', 'a file or folder in place of the data that FILE names')
    .option('--seconds <s>', 'seconds of training of each run (default: 30, unless --steps is given)', positive)
    .addOption(
      new Option(
        '--clock <name>',
        'what seconds are of: `processor`, the time that processors spend on the runs, where other programs share the machine (default: wall)',
      ).choices(clockNames),
    )
    .option('--steps <n>', 'steps of each run, in place of seconds', wholeAbove(0))
    .option('--seeds <k>', 'runs of each scheme (default: 3)', wholeAbove(0))
    .option('--seed <n>', 'the first seed (default: 0)', wholeAbove(-1))
    .addOption(new Option('--engine <name>', 'where to compute').choices([...engineNames, 'auto']))
    .option('--out <folder>', 'where the results go (default: runs/<name>-compared); -2, -3, … is added if it is there')
    .option('--json', 'print the comparison as one JSON object, and nothing else, on stdout')
    .option('--quiet', 'show no progress and no table')
    .addHelpText('after', compareHelp)
    .action(async (file: string, flags: Flags) => exit(await run(file, flags, host)));
}

const compareHelp = `
Every run has the same budget, in which its learning rate decays fully. The runs of a seed start from the same weights
and see the samples in the same order.

The folder holds
  comparison.json   every run, its curve, and what the differences are worth
  comparison.html   the table, and curves over wall-clock and over steps; a page of its own

Examples
  taustream compare pipelines/moby-dick.ts --schemes uniform,loss,upper-bound,random-subset --seconds 30 --seeds 3
  taustream compare my-pipeline.ts --schemes uniform,fast --steps 2000 --seeds 5`;

/** @returns the exit code */
async function run(file: string, flags: Flags, host: Host): Promise<number> {
  const { schemes, corpus, seconds, clock, steps, seeds, seed } = flags;
  const { engine: engineName, out, json = false, quiet = false } = flags;
  using interrupt = listenForInterrupt(() => {
    if (!quiet) host.stderr.write('Stopping. Once more to leave at once.\n');
  });
  const pipeline = await loadPipeline(file);
  const engine = await host.useEngine(engineName ?? pipeline.options.engine);
  const comparing = compare(
    pipeline,
    {
      schemes: schemes.split(',').map((name) => name.trim()),
      ...(steps === undefined ? { seconds: seconds ?? 30 } : { steps, ...(seconds !== undefined && { seconds }) }),
      ...(clock !== undefined && { clock }),
      ...(seeds !== undefined && { seeds }),
      ...(seed !== undefined && { firstSeed: seed }),
      signal: interrupt.signal,
      ...(corpus !== undefined && { corpusPath: corpus }),
      onRun: (entry, done) => {
        if (!quiet && done) host.stderr.write(`${line(entry, done)}\n`);
      },
    },
    engine,
  );
  try {
    const comparison = await comparing;
    const folder = await createRunFolder(out ?? join('runs', `${pipeline.options.name}-compared`));
    const { page } = await writeComparison(folder, comparison);
    if (json) host.stdout.write(`${JSON.stringify(comparison)}\n`);
    else if (!quiet) host.stdout.write(`\n${comparisonText(comparison)}\n${host.colors.dim('Curves:')} ${page}\n`);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
  }
  return interrupt.exitCode ?? 0;
}

const line = ({ scheme, seed }: { scheme: string; seed: number }, { summary, trainLoss }: ComparedRun): string =>
  `${scheme.padEnd(20)} seed ${seed}  ${summary.steps} steps in ${summary.seconds.toFixed(1)} s  train loss ${significant(trainLoss)}`;
