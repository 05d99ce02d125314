import { hostname } from 'node:os';
import { join } from 'node:path';
import { RunError } from '../errors.ts';
import { isAlive } from '../is-alive.ts';
import { packageVersion, readRunFile, type Run } from '../report/run-file.ts';
import { listCheckpoints, readCheckpoint, type ReadCheckpoint } from '../train/checkpoint.ts';

/** A run that was stopped, and the checkpoint to go on from, if it came that far. */
export interface StoppedRun {
  readonly run: Run;
  readonly checkpoint?: ReadCheckpoint;
}

/** Options that may change when a run goes on: where it ends, and how many train. */
const limits = new Set(['steps', 'seconds', 'epochs', 'trainers']);

/**
 * Opens a run's folder to go on with it.
 *
 * @throws {RunError} when it is no run's folder, another pipeline's or another version's, when it is running, or when
 * every checkpoint is damaged
 */
export async function openStoppedRun(folder: string, name: string): Promise<StoppedRun> {
  const file = join(folder, 'run.json');
  const run = await readRunFile(file);
  const refuse = (expected: string, got: string, what: string) =>
    new RunError(`${file}: expected ${expected}, got ${got}. ${what}`, { folder });
  if (minor(run.versions.taustream) !== minor(packageVersion()))
    throw refuse(
      `a run of taustream ${packageVersion()}`,
      run.versions.taustream,
      'Go on with that version, or train anew.',
    );
  if (run.name !== name)
    throw refuse(`a run of pipeline \`${name}\``, `\`${run.name}\``, 'Name its own pipeline file.');
  if (run.status === 'running' && isAtWork(run.process))
    throw refuse('a run that has stopped', `one that process ${run.process.pid} is at`, 'Stop that one first.');
  const checkpoints = join(folder, 'checkpoints');
  if ((await listCheckpoints(checkpoints)).length === 0) return { run };
  return { run, checkpoint: await readCheckpoint(checkpoints) };
}

/** `0.3.1` -> `0.3`: runs of one minor version can be gone on with. */
const minor = (version: string): string => version.split('.').slice(0, 2).join('.');

const isAtWork = ({ pid, host }: Run['process']): boolean => host === hostname() && pid !== process.pid && isAlive(pid);

/**
 * Checks that a run goes on as it began.
 * @throws {RunError} naming each option that differs
 */
export function expectSameRun(folder: string, before: Run, now: Pick<Run, 'seed' | 'options' | 'model'>): void {
  const [then, today] = [flatten(before), flatten(now)];
  const differing = [...new Set([...Object.keys(then), ...Object.keys(today)])].filter(
    (key) => then[key] !== today[key],
  );
  if (differing.length === 0) return;
  const said = differing.map((key) => `\`${key}\` ${then[key] ?? 'unset'} is now ${today[key] ?? 'unset'}`).join('; ');
  throw new RunError(
    `${folder}: expected the options that the run began with, but ${said}. Change them back, or train anew.`,
    { folder, differing },
  );
}

const flatten = ({ seed, options, model }: Pick<Run, 'seed' | 'options' | 'model'>): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ ...options, seed, 'model.parameters': model.parameters })
      .filter(([name, value]) => !limits.has(name) && value !== undefined)
      .map(([name, value]) => [name, JSON.stringify(value)]),
  );
