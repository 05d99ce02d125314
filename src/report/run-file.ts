import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { RunError } from '../errors.ts';
import type { FitSummary } from '../train/step-record.ts';

/** Everything about a run but its steps: what `run.json` holds. */
export interface Run {
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
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endedAt?: string;
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
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RunError(
      `${path}: cannot be written: ${reason}. Make room, or name another folder.`,
      { file: path },
      { cause },
    );
  }
}
