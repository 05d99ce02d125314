import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import type { Address } from '../consumer/listen.ts';
import { serveMinibatches, type ServeSummary } from '../consumer/serve.ts';
import { writeMinibatches } from '../consumer/write-minibatches.ts';
import { OptionsError } from '../errors.ts';
import { bytes, whole } from '../report/format.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Host } from './host.ts';
import { listenForInterrupt } from './interrupt.ts';
import { loadPipeline } from './load-pipeline.ts';
import { port, positive, wholeAbove } from './arguments.ts';

interface Flags {
  readonly steps?: number;
  readonly seconds?: number;
  readonly epochs?: number;
  readonly seed?: number;
  readonly corpus?: string;
  readonly socket?: string;
  readonly port?: number;
  readonly host?: string;
  readonly token?: string;
  readonly patience?: number;
  readonly quiet?: boolean;
}

/** `taustream stream FILE` */
export function addStreamCommand(program: Command, host: Host, exit: (code: number) => void): void {
  program
    .command('stream')
    .description("Gives a pipeline's weighted minibatches to a trainer in another process, in any language.")
    .argument('<FILE>', 'a TypeScript or JavaScript file with `export default definePipeline({ … })`')
    .option('--steps <n>', 'stop after n batches', wholeAbove(0))
    .option('--seconds <s>', 'stop after s seconds', positive)
    .option('--epochs <n>', 'stop after n passes over the corpus', wholeAbove(0))
    .option('--corpus <path>', 'a file or folder in place of the data that FILE names')
    .option('--seed <n>', 'base of every random number', wholeAbove(-1))
    .option('--socket <path>', 'listen on a Unix socket instead of writing to stdout')
    .option('--port <n>', 'listen on a TCP port of this machine; 0 takes a free one', port)
    .option('--host <address>', 'let other machines connect; needs a token')
    .option('--token <text>', 'what a consumer must send (default: the variable TAUSTREAM_TOKEN)')
    .option('--patience <s>', 'seconds to wait for a consumer, also after one was lost (default: 30)', positive)
    .option('--quiet', 'say nothing on stderr')
    .addHelpText('after', streamHelp)
    .action(async (file: string, flags: Flags) => exit(await stream(file, flags, host)));
}

const streamHelp = `
Frames (docs/frames.md) go to stdout, or to the consumer that connects. On stdout nothing can come back, so every batch
is uniform; a consumer on a socket may score the presamples or report on its batches, and they are drawn by that.
A slow consumer slows the reading. One that is lost may come back and gets the batches again that it had not done with.

Examples
  taustream stream pipelines/moby-dick.ts --steps 200 | python3 pipelines/consumers/python/examples/numpy_trainer.py
  taustream stream my-pipeline.ts --socket batches.sock --epochs 3`;

/** @returns the exit code */
async function stream(file: string, flags: Flags, host: Host): Promise<number> {
  const note = flags.quiet ? () => {} : (line: string) => host.stderr.write(`${line}\n`);
  const address = addressOf(flags);
  using interrupt = listenForInterrupt(() => note('Ending. Once more to leave at once.'));
  const { signal } = interrupt;
  const pipeline = await loadPipeline(file);
  const seed = flags.seed ?? pipeline.options.seed;
  try {
    const engine = await host.useEngine('cpu'); // nothing is computed here
    const { train } = await pipeline.openCorpus({
      seed,
      engine,
      signal,
      ...(flags.corpus !== undefined && { corpusPath: flags.corpus }),
    });
    const options = { ...batchOptions(pipeline, flags), seed, signal };
    const limits = limitsOf(pipeline, flags);
    const begun = performance.now();
    const summary = address
      ? await serveMinibatches(train, options, {
          ...limits,
          listen: address,
          ...(flags.patience !== undefined && { patienceMs: 1000 * flags.patience }),
          onListening: (where) => note(`Listening on ${where}`),
          onNote: note,
        })
      : await writeMinibatches(train, options, host.openFrames?.() ?? standardOutput(), limits);
    note(describe(pipeline.options.name, summary, (performance.now() - begun) / 1000));
  } catch (error) {
    const stopped = signal.aborted && error === signal.reason;
    if (!stopped) throw error;
  }
  return interrupt.exitCode ?? 0;
}

function standardOutput(): Writable {
  if (!process.stdout.isTTY) return process.stdout;
  throw new OptionsError(
    'taustream stream: expected frames to go to a program, got a terminal. Add `| python3 my_trainer.py`, or --socket.',
  );
}

function addressOf({ socket, port: number, host, token }: Flags): Address | undefined {
  if (socket !== undefined && number !== undefined)
    throw new OptionsError('taustream stream: expected `--socket` or `--port`, got both. Choose one.');
  if (host !== undefined && number === undefined)
    throw new OptionsError('taustream stream: expected `--port` with `--host`, got none. Name a port.');
  if (socket !== undefined) return { socket };
  return number === undefined ? undefined : { port: number, host, token: token ?? process.env['TAUSTREAM_TOKEN'] };
}

function batchOptions({ options }: Pipeline, flags: Flags) {
  const { presampleSize, batchSize, tauThreshold, tauSmoothing, warmUp, hysteresis, onBadScore } = options;
  const epochs = limitsGiven(flags) ? flags.epochs : options.epochs;
  const sizes = { presampleSize, batchSize, tauThreshold, tauSmoothing, warmUp, hysteresis, onBadScore };
  return { ...sizes, ...(epochs !== undefined && { epochs }) };
}

/** A limit on the command line takes the place of all limits of the pipeline. */
const limitsGiven = (flags: Flags) => (flags.steps ?? flags.seconds ?? flags.epochs) !== undefined;
const limitsOf = ({ options }: Pipeline, flags: Flags) => {
  const { steps, seconds } = limitsGiven(flags) ? flags : options;
  return { ...(steps !== undefined && { steps }), ...(seconds !== undefined && { seconds }) };
};

const stops: Readonly<Record<ServeSummary['stoppedBy'], string>> = {
  steps: 'as many as were asked for',
  seconds: 'stopped by the clock',
  end: 'the corpus ended',
  consumer: 'the consumer wanted no more',
  signal: 'interrupted',
};

const describe = (name: string, { batches, samples, stoppedBy }: ServeSummary, seconds: number): string =>
  `${name}: ${whole(batches)} batches (${whole(samples)} samples) in ${seconds.toFixed(1)} s, ${stops[stoppedBy]}; ${bytes(process.memoryUsage.rss())} in memory`;
