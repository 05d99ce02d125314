import { Option, type Command } from 'commander';
import { engineNames, type EngineName } from '../engine/engine.ts';
import { fuse } from '../engine/layers/fuse.ts';
import { unlimitedFitOptions } from '../pipeline.ts';
import { advise } from '../report/advise.ts';
import { positive } from './arguments.ts';
import type { Host } from './host.ts';
import { loadPipeline } from './load-pipeline.ts';

interface Flags {
  readonly seconds?: number;
  readonly corpus?: string;
  readonly engine?: EngineName | 'auto';
  readonly json?: boolean;
}

/** `taustream advise FILE` */
export function addAdviseCommand(program: Command, host: Host, exit: (code: number) => void): void {
  program
    .command('advise')
    .description('Measures whether importance sampling would pay for the pipeline that FILE exports.')
    .argument('<FILE>', 'a TypeScript or JavaScript file with `export default definePipeline({ … })`')
    .option('--seconds <s>', 'seconds of training to measure after (default: 30)', positive)
    .option('--corpus <path>', 'a file or folder in place of the data that FILE names')
    .addOption(new Option('--engine <name>', 'where to compute').choices([...engineNames, 'auto']))
    .option('--json', 'print everything measured as one JSON object')
    .action(async (file: string, flags: Flags) => exit(await run(file, flags, host)));
}

/** @returns the exit code */
async function run(
  file: string,
  { seconds = 30, engine: engineName, json = false, corpus: corpusPath }: Flags,
  host: Host,
): Promise<number> {
  const pipeline = await loadPipeline(file);
  const engine = await host.useEngine(engineName ?? pipeline.options.engine);
  const own = unlimitedFitOptions(pipeline);
  const context = { seed: own.seed, engine, ...(corpusPath !== undefined && { corpusPath }) };
  const corpus = await pipeline.openCorpus(context);
  const model = await pipeline.buildModel({ ...context, corpus });
  try {
    fuse(model);
    const advice = await advise(model, corpus.train, { ...own, validateEvery: 0 }, { seconds });
    host.stdout.write(json ? `${JSON.stringify(advice)}\n` : `${advice.text}\n`);
    return 0;
  } finally {
    model.optimizer.dispose();
    model.dispose();
  }
}
