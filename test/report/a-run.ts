import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeMachine, describeProcess, describeVersions, runFormat, type Run } from '../../src/report/run-file.ts';
import { Ledger } from '../../src/cluster/ledger.ts';
import type { FleetReport } from '../../src/cluster/status.ts';
import type { StepRecord } from '../../src/train/step-record.ts';

/** A step of a run whose gate is open from step 20 to 40 and from 60 on. */
export const stepAt = (step: number): StepRecord => {
  const isOpen = (step >= 20 && step <= 40) || step >= 60;
  return {
    step,
    seconds: step / 10,
    share: step / 100,
    loss: 4 / step,
    lr: 0.01,
    phase: isOpen ? 'importance' : 'uniform',
    tau: isOpen ? 1.5 : 1,
    gate: isOpen ? 'open' : 'shut',
    ess: 12,
    samplesSeen: 24 * step,
    samplesTrained: 8 * step,
    waitedMs: 10,
    rssBytes: 3e8,
    ...(step % 25 === 0 && { validation: { loss: 5 / step } }),
  };
};

export const lineAt = (step: number): string => `${JSON.stringify(stepAt(step))}\n`;

/** A fleet of two workers at work for that run. */
export const fleetAt = (steps: number): FleetReport => ({
  at: '2026-01-02T03:04:05.000Z',
  run: 'speeches',
  steps,
  gate: { tau: 1.5, isOpen: true },
  workers: ['one', 'two'].map((worker, i) => ({
    worker,
    machine: `host-${i} <b>`,
    samples: 1000 * (i + 1),
    samplesPerSecond: 250 * (i + 1),
    silentSeconds: 0.25 + i,
  })),
  openJobs: 5,
  partsUnderWay: 4,
  partsReady: 1,
  ages: { mean: 2.5, largest: 7 },
  account: { ...new Ledger({ order: '', places: 1, end: 1, grantMs: 1, ahead: () => 1 }).account, trained: steps },
  queued: 3,
  inHand: 2,
});

/** Writes the folder of a run that is going on, with `steps` steps taken. */
export async function writeRun(folder: string, steps: number, changes: Partial<Run> = {}): Promise<void> {
  await mkdir(join(folder, 'model'), { recursive: true });
  const run: Run = {
    format: runFormat,
    name: 'speeches',
    pipeline: 'speeches.ts',
    status: 'running',
    seed: 7,
    engine: { name: 'cpu', description: 'plain JavaScript' },
    options: { batchSize: 8, presampleSize: 24 },
    versions: describeVersions(),
    machine: describeMachine(),
    model: { name: 'lstm', parameters: 1234, trained: 1234 },
    corpus: { name: 'letters <b>' },
    process: describeProcess(),
    startedAt: '2026-01-02T03:04:05.000Z',
    ...changes,
  };
  const lines = Array.from({ length: steps }, (_, i) => lineAt(i + 1));
  await writeFile(join(folder, 'run.json'), JSON.stringify(run));
  await writeFile(join(folder, 'metrics.jsonl'), lines.join(''));
}
