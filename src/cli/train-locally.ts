import { fileURLToPath } from 'node:url';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { freeAddresses, showAddress } from '../cluster/parallel/addresses.ts';
import { ParallelError } from '../errors.ts';
import { hasNvidiaDriver } from '../engine/tensorflow/install/nvidia-driver.ts';
import type { Host } from './host.ts';
import { LocalTrainers } from './local-trainers.ts';
import type { TrainingRequest } from './training-request.ts';

/** `4` of `--trainers 4`; nothing of a list, or without the option. */
export const countOfTrainers = ({ trainers }: Pick<TrainingRequest, 'trainers'>): number | undefined =>
  trainers !== undefined && /^[1-9]\d{0,3}$/u.test(trainers.trim()) ? Number(trainers) : undefined;

/**
 * Takes the server of trainers that are named by their number alone for the place where they meet. A fleet works for one
 * trainer, so whatever else is said of one is refused.
 *
 * @throws {ParallelError} when a fleet is asked for with several trainers
 */
export function withMeeting({
  trainerHost: host,
  ...request
}: Omit<TrainingRequest, 'file'> & { readonly trainerHost?: string }): Omit<TrainingRequest, 'file'> {
  const { trainers, fleet, ...rest } = request;
  const isMeeting = trainers !== undefined && fleet !== undefined && countOfTrainers({ trainers }) !== undefined;
  if (host !== undefined && !isMeeting)
    throw new ParallelError(
      'train: expected `--trainer-host` beside `--trainers N --cluster URL`, got it alone. Give those, or leave it out.',
    );
  if (trainers === undefined || fleet === undefined) return request;
  const { url, run, credentials, caFile, certFile, keyFile, patienceSeconds, ...ofFleet } = fleet;
  const [more] = Object.keys(ofFleet);
  if (!isMeeting || more !== undefined)
    throw new ParallelError(
      `train: expected a fleet with one trainer, or several trainers that score for themselves, got \`--trainers ${trainers}\` with a fleet${more === undefined ? '' : ` (\`${more}\`)`}. ` +
        'Leave one of them out; `--trainers N --cluster URL`, with nothing said of a fleet, makes N trainers meet at the server.',
      { trainers },
    );
  const about = { url, run, credentials, caFile, certFile, keyFile, patienceSeconds, host };
  const given = Object.fromEntries(Object.entries(about).filter(([, value]) => value !== undefined));
  return { ...rest, trainers, meeting: { ...given, url } };
}

/** The flags of a trainer that has no others. */
export function alone<Flags extends Pick<TrainingRequest, 'trainers' | 'rank' | 'sum'>>(flags: Flags) {
  const { trainers: _trainers, rank: _rank, sum: _sum, ...rest } = flags;
  return rest;
}

/**
 * Trains with so many processes on this machine; when one dies, the rest go on from the last checkpoint as fewer.
 * @returns the exit code: that of the trainer of rank 0
 */
export async function trainLocally(file: string, count: number, command: Command, host: Host): Promise<number> {
  let [world, folder]: [number, string | undefined] = [count, undefined];
  for (;;) {
    const addresses = (await freeAddresses(world)).map(showAddress).join(',');
    const trainers = await LocalTrainers.start({
      count: world,
      program: fileURLToPath(new URL('bin.js', import.meta.url)),
      environments: await environmentsOf(world),
      args: (rank) => [
        'train',
        file,
        ...said(command, folder === undefined ? [] : ['resume', 'out']),
        ...(folder === undefined ? [] : ['--resume', folder]),
        ...(world === 1 ? [] : ['--trainers', addresses, '--rank', String(rank)]),
      ],
    });
    const end = await trainers.ended();
    folder = end.folder ?? folder;
    if (end.lost.length === 0 || end.lost.length >= world) return end.code;
    if (folder === undefined) return end.code === 0 ? 1 : end.code; // lost before there was anything to go on with
    world -= end.lost.length;
    const who = end.lost.map(({ rank, how }) => `rank ${rank} (${how})`).join(', ');
    host.stderr.write(`lost     trainer ${who}; going on from the last checkpoint with ${world}\n`);
  }
}

/** The options that the command line was given, as it would be given again. */
function said(command: Command, without: readonly string[]): string[] {
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    const value = command.getOptionValue(name) as string | number | boolean | undefined; // what the flags' readers give
    if (value === undefined || ['trainers', 'rank', ...without].includes(name)) return [];
    return value === true ? [option.long!] : [option.long!, String(value)];
  });
}

/** Each its share of the cores, or a GPU of its own. */
async function environmentsOf(world: number): Promise<(rank: number) => Record<string, string>> {
  const { TF_NUM_INTRAOP_THREADS: threads, CUDA_VISIBLE_DEVICES: devices, TF_CPP_MIN_LOG_LEVEL = '3' } = process.env;
  const share = String(Math.max(1, Math.floor(availableParallelism() / world)));
  const hasGpu = devices === undefined && (await hasNvidiaDriver());
  return (rank) => ({
    TF_CPP_MIN_LOG_LEVEL, // what TensorFlow says of an ended sum is said by the error
    ...(threads === undefined && { TF_NUM_INTRAOP_THREADS: share, TF_NUM_INTEROP_THREADS: share }),
    ...(hasGpu && { CUDA_VISIBLE_DEVICES: String(rank) }),
  });
}
