import { readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, hostname, platform, release, totalmem } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { RunError, messageOf } from '../errors.ts';
import type { FitSummary } from '../train/step-record.ts';

/** Raised when a run folder of before could not be gone on with. */
export const runFormat = 1;

/** Everything about a run but its steps: what `run.json` holds. */
export interface Run {
  /** Version of the run folder's layout. */
  readonly format: typeof runFormat;
  readonly name: string;
  /** The pipeline file, as it was given. */
  readonly pipeline: string;
  readonly status: 'running' | 'finished' | 'interrupted' | 'failed';
  readonly seed: number;
  readonly engine: { readonly name: string; readonly description: string };
  /** What the run was told, the command line's word before the file's. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly versions: Readonly<Record<'taustream' | 'node' | 'tfjs', string>>;
  readonly machine: ReturnType<typeof describeMachine>;
  readonly model: { readonly name: string; readonly parameters: number; readonly trained: number };
  readonly corpus: { readonly name: string; readonly samples?: number; readonly validationSamples?: number };
  /** Who writes the folder, so that nobody else goes on with it meanwhile. */
  readonly process: { readonly pid: number; readonly host: string };
  /** ISO 8601. */
  readonly startedAt: string;
  /** When it was gone on with, and the steps that it had taken then. */
  readonly resumed?: readonly { readonly at: string; readonly step: number }[];
  readonly endedAt?: string;
  /** Samples that were left out as bad, if any were: `bad-samples.jsonl` tells which. */
  readonly badSamples?: number;
  readonly summary?: FitSummary;
  /** Why it failed. */
  readonly error?: string;
}

/** What a run can be repeated with. */
export const describeVersions = (): Run['versions'] => ({
  taustream: packageVersion(),
  node: process.versions.node,
  tfjs: tf.version['tfjs'],
});

export const describeProcess = (): Run['process'] => ({ pid: process.pid, host: hostname() });

export const describeMachine = () => ({
  platform: `${platform()} ${release()} ${arch()}`,
  processor: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryBytes: totalmem(),
});

/** From the package's own package.json, which lies two folders above this file, in the source and when built. */
export function packageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown';
}

/**
 * Writes `run.json` whole: under a temporary name, then renamed.
 * @throws {RunError} when it cannot be written
 */
export async function writeRunFile(path: string, run: Run): Promise<void> {
  try {
    await writeFile(`${path}.tmp`, `${JSON.stringify(run, undefined, 2)}\n`);
    await rename(`${path}.tmp`, path);
  } catch (cause) {
    await rm(`${path}.tmp`, { force: true });
    const reason = messageOf(cause);
    throw new RunError(
      `${path}: cannot be written: ${reason}. Make room, or name another folder.`,
      { file: path },
      { cause },
    );
  }
}

/** What has to be known of a run to go on with it; the rest is for people. */
const KnownRun = z.looseObject({
  format: z.literal(runFormat),
  name: z.string(),
  status: z.string(),
  seed: z.number(),
  engine: z.looseObject({ name: z.string() }),
  options: z.record(z.string(), z.unknown()),
  versions: z.looseObject({ taustream: z.string() }),
  model: z.looseObject({ name: z.string(), parameters: z.number() }),
  process: z.object({ pid: z.int(), host: z.string() }),
  startedAt: z.string(),
});

/**
 * Reads `run.json`.
 * @throws {RunError} when there is none, or it is no account of a run
 */
export async function readRunFile(path: string): Promise<Run> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new RunError(
      `${path}: expected the account of a run, found none. Name a run's folder.`,
      { file: path },
      { cause },
    );
  }
  try {
    return KnownRun.parse(JSON.parse(text)) as unknown as Run; // of the fields checked; the others are as they were written
  } catch (cause) {
    throw new RunError(
      `${path}: expected the account of a run of this version (format ${runFormat}), got something else. Name another run, or train anew.`,
      { file: path },
      { cause },
    );
  }
}
