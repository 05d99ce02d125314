import { type Command, Option } from 'commander';
import { scoreForFleet, type WorkerSummary } from '../cluster/worker.ts';
import { engineNames, type EngineName } from '../engine/engine.ts';
import { whole } from '../report/format.ts';
import { wholeAbove } from './arguments.ts';
import { addServerFlags, expectServer, type ServerFlags } from './cluster-flags.ts';
import type { Host } from './host.ts';
import { listenForInterrupt } from './interrupt.ts';
import { loadPipeline } from './load-pipeline.ts';

interface Flags extends ServerFlags {
  readonly engine?: EngineName | 'auto';
  readonly versionsBehind?: number;
  readonly once?: boolean;
  readonly quiet?: boolean;
}

/** `taustream score-worker FILE` */
export function addScoreWorkerCommand(program: Command, host: Host, exit: (code: number) => void): void {
  const command = program
    .command('score-worker')
    .description('Fills, scores and draws for a trainer on another machine: `taustream train FILE --cluster URL`.')
    .argument('<FILE>', "the trainer's pipeline file");
  addServerFlags(command)
    .addOption(new Option('--engine <name>', 'where to compute').choices([...engineNames, 'auto']))
    .option('--versions-behind <n>', 'publications that newer parameters may be ahead (default: 1)', wholeAbove(-1))
    .option('--once', 'leave when the run is over, and do not wait for the next')
    .option('--quiet', 'say nothing on stderr')
    .addHelpText('after', help)
    .action(async (file: string, flags: Flags) => exit(await work(file, flags, host)));
}

const help = `
It needs the same pipeline file and corpus as the trainer, and no more: seed, scheme and sizes come from the trainer.
Start as many as you like, on as many machines, before or after the trainer; they may come and go at any time. Ctrl-C
leaves at once: what was begun goes to another.

Examples
  taustream score-worker pipelines/moby-dick.ts --cluster nats://token@10.0.0.5:4222
  taustream score-worker my-pipeline.ts --cluster tls://worker:password@host --cluster-ca ca.pem --engine wasm`;

/** @returns the exit code */
async function work(file: string, flags: Flags, host: Host): Promise<number> {
  const server = expectServer('score-worker', flags);
  const note = flags.quiet ? () => {} : (line: string) => host.stderr.write(`${line}\n`);
  using interrupt = listenForInterrupt(() => note('Leaving. Once more to leave at once.'));
  const pipeline = await loadPipeline(file);
  const engine = await host.useEngine(flags.engine ?? pipeline.options.engine);
  note(`engine   ${engine.description}`);
  const summary = await scoreForFleet(pipeline, {
    run: pipeline.options.name,
    ...server,
    ...(flags.versionsBehind !== undefined && { versionsBehind: flags.versionsBehind }),
    once: flags.once ?? false,
    engine,
    signal: interrupt.signal,
    onNote: note,
  });
  note(describe(summary));
  return interrupt.exitCode ?? 0;
}

const describe = ({ jobs, parts, samples, duplicates }: WorkerSummary): string =>
  `${whole(samples)} samples scored in ${whole(parts)} presamples of ${whole(jobs)} jobs; ${whole(duplicates)} were there already`;
