import { joinTrainers, type JoinedTrainers } from '../cluster/parallel/join-trainers.ts';
import { meetTrainers } from '../cluster/parallel/meet-trainers.ts';
import { isTaustreamError, OptionsError } from '../errors.ts';
import type { Pipeline, PipelineCorpus } from '../pipeline.ts';
import { packageVersion } from '../report/run-file.ts';
import type { Checkpoint, FitOptions } from '../train/fit-options.ts';
import type { Trainers } from '../train/trainers/trainers.ts';
import type { TrainingRequest } from './training-request.ts';

/** What a trainer tells the process that has started it, if one has. */
export type LauncherNews =
  | { readonly kind: 'folder'; readonly folder: string }
  | { readonly kind: 'lost'; readonly rank: number; readonly message: string };

/** Trainers started by `--trainers N` are told so, because other parents may have a channel, too. */
export const launchedBy = 'TAUSTREAM_LAUNCHED';

export const isLaunched = (): boolean => process.env[launchedBy] !== undefined && process.send !== undefined;

export function tellLauncher(news: LauncherNews): void {
  if (isLaunched()) process.send!(news, () => {}); // an error here means that it is gone, and so will this one be
}

/** Tells the process that has started this one that another trainer is lost. @returns whether it was told */
export function tellLoss(error: unknown): boolean {
  if (!isLaunched() || !isTaustreamError(error) || typeof error.facts['lost'] !== 'number') return false;
  tellLauncher({ kind: 'lost', rank: error.facts['lost'], message: error.message });
  return true;
}

/**
 * Joins the trainers that the command line names, if it names any.
 *
 * @throws {ParallelError} when they cannot be joined
 * @throws {OptionsError} when a list comes without a rank, or a rank without a list
 */
export async function joinOthers(
  { trainers, rank, sum, resume, meeting }: TrainingRequest,
  { options: { name } }: Pipeline,
  options: Readonly<Record<string, unknown>>,
): Promise<JoinedTrainers | undefined> {
  if (trainers === undefined && rank === undefined && sum === undefined) return undefined;
  if (trainers === undefined && rank === undefined)
    throw new OptionsError('train: expected `--sum` beside `--trainers`, got it alone. Give both, or leave it out.');
  if (trainers === undefined || (rank === undefined && !meeting))
    throw new OptionsError(
      `train: expected \`--trainers host:port,…\` and \`--rank\` together, got ${rank === undefined ? 'no rank' : 'a rank alone'}. Give both.`,
    );
  const place = rank === undefined ? {} : { rank };
  const joining = meeting
    ? await meetTrainers({ run: name, ...meeting, count: Number(trainers), ...place })
    : { addresses: trainers, rank: rank! }; // checked above
  const job = {
    version: packageVersion(),
    pipeline: name,
    options: JSON.stringify(options),
    resume: resume === undefined ? 'no' : 'yes',
  };
  return joinTrainers({ ...joining, job, ...(sum !== undefined && { sum }) });
}

/** What a trainer of a rank above 0 trains with: it validates where that can end the run, and writes nothing. */
export function followerOptions(
  fitOptions: FitOptions,
  more: {
    readonly corpus: PipelineCorpus;
    readonly resume: Checkpoint | undefined;
    readonly signal: AbortSignal;
    readonly trainers: Trainers;
  },
): FitOptions {
  const { validation } = more.corpus;
  return {
    ...fitOptions,
    ...(validation && fitOptions.earlyStopping && { validation }),
    ...(more.resume && { resume: more.resume }),
    signal: more.signal,
    trainers: more.trainers,
  };
}
