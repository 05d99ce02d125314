/** Training at equal wall-clock: the second core scores for the first, or helps it, or idles. */
import { fleet } from '../../src/cluster/fleet.ts';
import type { Engine, EngineName } from '../../src/engine/engine.ts';
import { type Pipeline, unlimitedFitOptions } from '../../src/pipeline.ts';
import type { BatchSource, OpenBatchSource } from '../../src/train/batch-source.ts';
import type { Minibatch } from '../../src/stream/minibatch.ts';
import { fit } from '../../src/train/fit.ts';
import type { FitOptions } from '../../src/train/fit-options.ts';
import { criterion } from '../wall-clock/results.ts';
import { runName } from './processes.ts';

/** What is compared: how minibatches are chosen, on how many threads of this process. */
export const arms = {
  uniform: { mode: 'paper', scheme: 'uniform' },
  fast: { mode: 'fast' },
  /** Scored by a worker. Four draws of a presample, so that one core can score for another; weights at most 10. */
  fleet: { mode: 'paper', scheme: 'upper-bound', tauThreshold: 'measured', draws: 4, uniformFloor: 0.1 },
} as const satisfies Record<string, Partial<FitOptions>>;

export interface ArmResult {
  readonly task: string;
  readonly arm: string;
  readonly seed: number;
  /** Test error, or bits a character. */
  readonly error: number;
  readonly isShare: boolean;
  readonly steps: number;
  readonly openShare: number;
  readonly meanTau: number;
  readonly waitedShare: number;
  readonly meanAge: number;
}

export interface ArmRun {
  readonly task: string;
  readonly arm: keyof typeof arms;
  readonly seed: number;
  readonly engine: Engine;
  readonly engineName: EngineName;
  readonly url?: string;
  readonly limit: { readonly seconds: number } | { readonly steps: number };
}

/** Jobs of two presamples, so that what was given out before the gate opened is soon used up. */
const small = { jobPresamples: 2 };

/** Trains once. The rate decays over the whole time, and the clock begins with the first minibatch. */
export async function runArm(pipeline: Pipeline, run: ArmRun): Promise<ArmResult> {
  const { task, arm, seed, engine, url, limit } = run;
  const context = { seed, engine };
  const corpus = await pipeline.openCorpus(context);
  const model = await pipeline.buildModel({ ...context, corpus });
  const { tauThreshold: _threshold, ...own } = unlimitedFitOptions(pipeline);
  const ages: number[] = [];
  try {
    const summary = await fit(model, corpus.train, {
      ...own,
      ...arms[arm],
      ...limit,
      seed,
      validateEvery: 0,
      validations: 0,
      ...(corpus.validation && { validation: corpus.validation }),
      ...(url !== undefined && arm === 'fleet' && { source: primed(fleet({ url, run: runName, ...small })) }),
      onStep: ({ age }) => {
        if (age !== undefined) ages.push(age);
      },
    });
    const measures = summary.validation.last ?? {};
    const { steps, openShare, meanTau, waitedShare } = summary;
    return {
      task,
      arm,
      seed,
      error: criterion({ measures, trainLoss: summary.lastLoss }),
      isShare: measures['acc'] !== undefined,
      steps,
      openShare,
      meanTau,
      waitedShare,
      meanAge: ages.length === 0 ? 0 : ages.reduce((sum, age) => sum + age, 0) / ages.length,
    };
  } finally {
    model.optimizer.dispose();
    model.dispose();
  }
}

/** A source that has started when its first minibatch is there: what a worker takes to join is paid once, not each run. */
const primed =
  (open: OpenBatchSource): OpenBatchSource =>
  (context) => {
    const source = open(context);
    const stop = new AbortController();
    let batches: AsyncGenerator<Minibatch, void, void> | undefined;
    let first: Promise<IteratorResult<Minibatch, void>> | undefined;
    const taken: BatchSource = {
      async start(signal) {
        await source.start(signal);
        batches = source.minibatches(stop.signal);
        first = batches.next();
        await first;
      },
      async *minibatches(signal) {
        signal.addEventListener('abort', () => stop.abort(), { once: true });
        try {
          for (let next = await first!; !next.done; next = await batches!.next()) yield next.value;
        } finally {
          stop.abort();
          await batches!.return();
        }
      },
      trained: (batch) => source.trained(batch),
      position: () => source.position(),
      account: () => source.account?.() ?? {},
      close: () => source.close(),
    };
    return taken;
  };

/** A Markdown table of a task: means over the seeds, and each seed's difference from `fast`. */
export function tableOf(task: string, results: readonly ArmResult[]): string {
  const own = results.filter((result) => result.task === task);
  const names = [...new Set(own.map(({ arm }) => arm))];
  const isShare = own.some((result) => result.isShare);
  const shown = (value: number) => (isShare ? `${(100 * value).toFixed(2)} %` : value.toFixed(4));
  const rows = names.map((arm) => {
    const runs = own.filter((result) => result.arm === arm);
    const mean = (of: (result: ArmResult) => number) => runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
    const differences = runs.flatMap(({ seed, error }) => {
      const fast = own.find((other) => other.arm === 'fast' && other.seed === seed);
      return fast && arm !== 'fast' ? [`${(100 * (error / fast.error - 1)).toFixed(1)} %`] : [];
    });
    const cells = [
      arm,
      shown(mean(({ error }) => error)),
      mean(({ steps }) => steps).toFixed(0),
      `${(100 * mean(({ openShare }) => openShare)).toFixed(0)} %`,
      mean(({ meanTau }) => meanTau).toFixed(2),
      `${(100 * mean(({ waitedShare }) => waitedShare)).toFixed(0)} %`,
      mean(({ meanAge }) => meanAge).toFixed(1),
      differences.join(', '),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const error = isShare ? 'test error' : 'bits a character';
  return [
    `**${task}**, ${new Set(own.map(({ seed }) => seed)).size} seeds`,
    '',
    `| who | ${error} | steps | gate open | τ | waited | age of scores | against \`fast\`, seed by seed |`,
    `|${' --- |'.repeat(8)}`,
    ...rows,
    '',
  ].join('\n');
}
