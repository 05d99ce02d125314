import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { engineNames } from '../engine/engine.ts';
import { Progress } from '../report/progress.ts';
import { schemes } from '../importance/schemes.ts';
import { describeSummary } from '../report/summary.ts';
import { modes } from '../train/modes.ts';
import { positive, wholeAbove } from './arguments.ts';
import { addTrainerFlags, withFleet, type TrainerFlags } from './cluster-flags.ts';
import type { Host } from './host.ts';
import { listenForInterrupt } from './interrupt.ts';
import { tellLoss } from './join-others.ts';
import { loadPipeline } from './load-pipeline.ts';
import { alone, countOfTrainers, trainLocally, withMeeting } from './train-locally.ts';
import { runTraining, type TrainingOutcome } from './run-training.ts';
import type { TrainingRequest } from './training-request.ts';

type Flags = Omit<TrainingRequest, 'file' | 'fleet'> &
  TrainerFlags & { readonly json?: boolean; readonly quiet?: boolean; readonly trainerHost?: string };

/** `taustream train FILE` */
export function addTrainCommand(program: Command, host: Host, exit: (code: number) => void): void {
  const command = program
    .command('train')
    .description('Trains the pipeline that FILE exports, into a run folder of its own.')
    .argument('<FILE>', 'a TypeScript or JavaScript file with `export default definePipeline({ … })`')
    .option('--steps <n>', 'stop after n steps', wholeAbove(0))
    .option('--seconds <s>', 'stop after s seconds of training', positive)
    .option('--epochs <n>', 'stop after n passes over the corpus', wholeAbove(0))
    .option('--corpus <path>', 'a file or folder in place of the data that FILE names')
    .option('--scheme <name>', `how samples are chosen: ${Object.keys(schemes).join(', ')}`)
    .addOption(
      new Option('--mode <name>', 'Algorithm 1 exactly, or what pays by the clock').choices(Object.keys(modes)),
    )
    .addOption(new Option('--engine <name>', 'where to compute').choices([...engineNames, 'auto']))
    .addOption(
      new Option('--score-where <place>', 'score in this process, or in one of its own, ahead of training').choices([
        'inline',
        'process',
      ]),
    )
    .addOption(new Option('--score-engine <name>', 'where that process computes').choices([...engineNames, 'auto']))
    .option('--score-ahead <n>', 'presamples scored ahead of the trainer (default: 2 in a process)', wholeAbove(-1))
    .option('--seed <n>', 'base of every random number', wholeAbove(-1))
    .option('--out <folder>', 'the run folder (default: runs/<name>); -2, -3, … is added if it is there already')
    .option('--checkpoint-every <s>', 'seconds between checkpoints (default: 60)', positive)
    .option('--checkpoint-steps <n>', 'steps between checkpoints, in place of seconds', wholeAbove(0))
    .option('--keep <n>', 'checkpoints kept (default: 2)', wholeAbove(0))
    .option('--record-ids', 'write the ids of every minibatch to ids.jsonl')
    .option('--resume [folder]', 'go on from the last good checkpoint of a run (default: runs/<name>)')
    .option('--trainers <n|list>', 'n on this machine; host:port,… of all on several; or n that meet at a --cluster')
    .option('--rank <r>', 'which of the list this trainer is, from 0', wholeAbove(-1))
    .addOption(
      new Option('--sum <way>', 'how trainers sum gradients (default: auto, by shared memory on one machine)').choices([
        'auto',
        'grpc',
        'shared',
      ]),
    )
    .option('--trainer-host <host>', "this machine's address for the other trainers, where they meet at a --cluster")
    .option('--json', 'print the summary as one JSON object, and nothing else, on stdout')
    .option('--quiet', 'show no progress and no summary');
  addTrainerFlags(command)
    .addHelpText('after', trainHelp)
    .action(async (file: string, flags: Flags) => {
      const count = countOfTrainers(flags);
      if (count === 1) exit(await train(file, alone(flags), host));
      else if (count === undefined || flags.cluster !== undefined) exit(await train(file, flags, host));
      else exit(await trainLocally(file, count, command, host));
    });
}

const trainHelp = `
A limit given here takes the place of all limits in FILE; other options take the place of their namesakes.
Progress goes to stderr. Ctrl-C finishes the step, saves, prints the summary and exits with 130; a second one exits at once.

The run folder holds
  metrics.jsonl      one JSON object a step
  run.json           options, versions, seed, engine, machine, and the summary
  model/             the model in tfjs layers format, and the files that go with it (a vocabulary, say)
  checkpoints/       the last two: parameters and optimizer as safetensors, the rest as msgpack
  bad-samples.jsonl  samples that were left out and why, if any were (onBadSample: 'skip')

A run that was stopped, even by kill -9, goes on with --resume: the same batches, and on the same engine and in lockstep
with a fixed tauThreshold the same parameters bit for bit. It keeps the engine and the limits that it began with
unless others are given.

Examples
  taustream train pipelines/moby-dick.ts --resume
  taustream train pipelines/moby-dick.ts --seconds 60 --scheme uniform --seed 1
  taustream train my-pipeline.ts --score-where process --score-engine wasm --score-ahead 2
  taustream train my-pipeline.ts --trainers 4
  taustream train my-pipeline.ts --trainers 10.0.0.1:4700,10.0.0.2:4700 --rank 1
  taustream train my-pipeline.ts --trainers 4 --cluster nats://token@10.0.0.5:4222      (on each of four machines)
  taustream train my-pipeline.ts --cluster nats://token@10.0.0.5:4222
  taustream train my-pipeline.ts --steps 1000 --out runs/trial --json > summary.json`;

/** @returns the exit code */
async function train(file: string, flags: Flags, host: Host): Promise<number> {
  const { json = false, quiet = false, ...said } = flags;
  const request = withMeeting(withFleet(said));
  const progress = quiet ? undefined : new Progress({ output: host.stderr, colors: host.colors });
  using interrupt = listenForInterrupt(() =>
    progress?.note('Finishing the step, then saving. Once more to leave at once.'),
  );
  try {
    const pipeline = await loadPipeline(file);
    const run = { host, signal: interrupt.signal, ...(progress && { progress }) };
    const outcome = await runTraining(pipeline, { ...request, file }, run);
    if (!outcome) return interrupt.exitCode ?? 0; // the trainer of rank 0 tells
    if (json) host.stdout.write(`${JSON.stringify(summaryObject(outcome))}\n`);
    else if (!quiet) host.stdout.write(summaryText(outcome, host));
  } catch (error) {
    const stopped = interrupt.signal.aborted && error === interrupt.signal.reason; // before there was a run to save
    if (tellLoss(error)) return 1;
    if (!stopped) throw error;
  }
  return interrupt.exitCode ?? 0;
}

const summaryObject = ({ folder, run, summary, text }: TrainingOutcome) => ({
  name: run.name,
  folder,
  status: run.status,
  seed: run.seed,
  engine: run.engine.name,
  scheme: run.options['scheme'],
  ...summary,
  ...(run.badSamples !== undefined && { badSamples: run.badSamples }),
  written: text,
});

const summaryText = ({ folder, run, summary, text }: TrainingOutcome, { colors }: Host): string =>
  `\n${describeSummary(run.name, summary, colors)}` +
  (run.badSamples === undefined
    ? ''
    : `\nBad samples left out: ${run.badSamples}, see ${join(folder, 'bad-samples.jsonl')}\n`) +
  (text === undefined ? '' : `\n${colors.dim('The trained model writes:')}\n${text.trimEnd()}\n`) +
  `\n${colors.dim('Metrics, model and checkpoints:')} ${folder}\n`;
