import { Console } from 'node:console';
import { Command, CommanderError } from 'commander';
import { isTaustreamError } from '../errors.ts';
import { packageVersion } from '../report/run-file.ts';
import { addAdviseCommand } from './advise-command.ts';
import { addClusterCommand } from './cluster-command.ts';
import { addCompareCommand } from './compare-command.ts';
import { addCorpusCommand } from './corpus-command.ts';
import type { Host } from './host.ts';
import { addPredictCommand } from './predict-command.ts';
import { addReportCommand } from './report-command.ts';
import { addScoreWorkerCommand } from './score-worker-command.ts';
import { addStreamCommand } from './stream-command.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { addEngineCommand } from './engine-command.ts';
import { addWatchCommand } from './watch-command.ts';
import { addTrainCommand } from './train-command.ts';

const usageError = 2;

/**
 * Runs one command line. Each command is a file of its own, added here.
 *
 * @param args without node and the program
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted
 */
export async function main(args: readonly string[], given?: Host): Promise<number> {
  const host = given ?? (await import('./process-host.ts')).processHost();
  // Only results go to stdout: what libraries and pipeline files log goes to stderr.
  const { console: former } = globalThis;
  globalThis.console = new Console(process.stderr, process.stderr);
  let code = 0;
  const program = createProgram(host, (exitCode) => (code = exitCode));
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageError; // it has said why
    host.stderr.write(`${describeError(error, host)}\n`);
    return 1;
  } finally {
    globalThis.console = former;
  }
}

function createProgram(host: Host, exit: (code: number) => void): Command {
  const program = new Command('taustream')
    .description('Importance-sampled training for TensorFlow.js, fed by a backpressured stream.')
    .version(packageVersion())
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)')
    .configureOutput({ writeOut: (text) => host.stdout.write(text), writeErr: (text) => host.stderr.write(text) });
  addTrainCommand(program, host, exit);
  addPredictCommand(program, host, exit);
  addCorpusCommand(program, host, exit);
  addStreamCommand(program, host, exit);
  addScoreWorkerCommand(program, host, exit);
  addClusterCommand(program, host, exit);
  addReportCommand(program, host);
  addWatchCommand(program, host, exit);
  addEngineCommand(program, host, exit);
  addDoctorCommand(program, host, exit);
  addCompareCommand(program, host, exit);
  addAdviseCommand(program, host, exit);
  return program;
}

/** What was expected is said in a line; what was not is shown whole. */
function describeError(error: unknown, { colors }: Host): string {
  if (isTaustreamError(error)) return `${colors.red('taustream:')} ${error.message.replaceAll(/\s*\n\s*/g, ' ')}`;
  return error instanceof Error ? (error.stack ?? error.message) : `taustream: ${String(error)}`;
}
