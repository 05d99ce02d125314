import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs';
import { joinTrainers } from '../../../src/cluster/parallel/join-trainers.ts';
import { useEngine } from '../../../src/engine/use-engine.ts';
import { isTaustreamError } from '../../../src/errors.ts';
import { fit } from '../../../src/train/fit.ts';
import type { FitOptions } from '../../../src/train/fit-options.ts';
import type { StepRecord } from '../../../src/train/step-record.ts';
import { classifier, clusters } from '../../train/toy.ts';

/*
 * One trainer in a process of its own: takes what to do as JSON, and prints what it did as JSON.
 */

export interface Task {
  readonly addresses?: string;
  readonly rank?: number;
  readonly fit: FitOptions;
  readonly samples?: number;
  readonly learningRate?: number;
  /** Ends itself by this signal after so many steps. */
  readonly kill?: { readonly after: number; readonly signal: NodeJS.Signals };
  /** Parameters that are not the others' from after so many steps on. */
  readonly spoilAfter?: number;
  readonly silentSeconds?: number;
  readonly joinSeconds?: number;
  readonly job?: Record<string, string>;
  readonly sum?: 'auto' | 'grpc' | 'shared';
}

export interface Outcome {
  readonly records: StepRecord[];
  readonly ids: string[][];
  readonly sums?: string;
  readonly parameters?: string;
  readonly values?: number[][];
  readonly samplesSeen?: number;
  readonly stoppedBy?: string;
  readonly error?: { readonly code?: string; readonly message: string; readonly facts?: Record<string, unknown> };
}

const task = JSON.parse(process.argv[2]!) as Task; // written by the test
const records: StepRecord[] = [];
const ids: string[][] = [];

async function train(): Promise<Outcome> {
  await useEngine('tensorflow', { intraOpThreads: 1, interOpThreads: 1 });
  const model = classifier(tf.train.momentum(task.learningRate ?? 0.05, 0.9));
  const spoil = () => model.weights[0]!.write(tf.ones([2, 12])); // toy.ts' first kernel
  if (task.spoilAfter === 0) spoil();
  const { addresses, rank = 0, silentSeconds = 5, joinSeconds = 20, job = {}, sum = 'auto' } = task;
  const trainers = addresses && (await joinTrainers({ addresses, rank, silentSeconds, joinSeconds, job, sum }));
  const summary = await fit(model, clusters(task.samples ?? 5000).corpus, {
    ...task.fit,
    ...(trainers && { trainers }),
    onMinibatch: (batch) => ids.push([...batch.ids]),
    onStep: (record) => {
      records.push(record);
      if (task.spoilAfter === record.step) spoil();
      if (task.kill?.after === record.step) process.kill(process.pid, task.kill.signal);
    },
  });
  if (trainers) await trainers.leave();
  const values = model.weights.map((weight) => [...weight.read().dataSync()]);
  const parameters = createHash('sha256').update(JSON.stringify(values)).digest('hex');
  return {
    records,
    ids,
    parameters,
    values,
    ...(trainers && { sums: trainers.sums }),
    samplesSeen: summary.samplesSeen,
    stoppedBy: summary.stoppedBy,
  };
}

const outcome = await train().catch((error: unknown): Outcome => ({
  records,
  ids,
  error: {
    message: error instanceof Error ? error.message : String(error),
    ...(isTaustreamError(error) && { code: error.code, facts: { ...error.facts } }),
  },
}));
process.stdout.write(JSON.stringify(outcome), () => process.exit(0));
