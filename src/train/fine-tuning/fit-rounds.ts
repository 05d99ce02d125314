import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { RunError } from '../../errors.ts';
import type { Corpus } from '../../stream/sample.ts';
import type { Checkpoint, FitOptions, FitSettings, Snapshot } from '../fit-options.ts';
import type { FitSummary } from '../step-record.ts';
import type { TensorData } from '../safetensors.ts';
import type { FineTuningOptions, Round } from './fine-tuning-options.ts';
import { freezeStatistics } from './frozen-statistics.ts';
import { frozenFeatures } from './frozen-features.ts';
import { openRound, type OpenRound } from './open-round.ts';
import { startAtRidge } from './ridge-head.ts';
import { compileTail, targetsOf, type TailTargets } from './tail-targets.ts';
import { Totals } from './totals.ts';

/** Trains a model once through: `fit` without rounds. */
export type FitOnce = (
  model: tf.LayersModel,
  corpus: Corpus,
  values: FitSettings,
  options: FitOptions,
) => Promise<FitSummary>;

interface Job {
  readonly values: FitSettings;
  readonly options: FitOptions;
  readonly fit: FitOnce;
}

/** What a checkpoint of a run in rounds holds beside the round's own state. */
const RoundsState = z.object({
  round: z.int().nonnegative(),
  totals: z.custom<ReturnType<Totals['state']>>((value) => typeof value === 'object' && value !== null),
  inner: z.record(z.string(), z.unknown()),
});

const WHOLE = 'whole/';

/**
 * Trains a network in rounds, each from some depth on: what lies before is frozen and computed once a sample, and what
 * comes out of it is cached, so that a round trains at the speed of the part that it trains.
 *
 * Each round is a run of its own with its share of the budget; records, snapshots and the summary are those of all of
 * them together. Computing the features is not counted as training.
 */
export async function fitRounds(model: tf.LayersModel, corpus: Corpus, job: Job): Promise<FitSummary> {
  const { fineTuning, ...values } = job.values;
  const { rounds } = fineTuning!;
  const saved = savedRound(job.options.resume, rounds.length);
  if (saved) restoreWhole(model, job.options.resume!.tensors);
  const totals = new Totals(rounds, values, saved?.totals);
  const first = saved?.round ?? 0;
  const targets = targetsOf(model, fineTuning!);
  let trained = new Set<string>();
  for (const [number, round] of rounds.entries()) {
    const opened = openRound(model, round);
    try {
      trained = deeper(opened, trained, number);
      if (number < first) continue;
      compileTail(model, opened.tail, targets);
      const resume = number === first && saved ? innerCheckpoint(job.options.resume!, saved.inner) : undefined;
      const own = { ...values, ...totals.limits() };
      const common = { ...job, model, targets, totals, fineTuning: fineTuning! };
      const summary = await fitRound(corpus, { ...common, values: own, opened, round, number, resume });
      totals.add(summary);
      if (summary.stoppedBy === 'signal') break;
    } finally {
      opened.tail.dispose(); // its layers stay the whole model's
    }
  }
  return totals.summary();
}

interface RoundJob extends Job {
  readonly model: tf.LayersModel;
  readonly targets: TailTargets;
  readonly fineTuning: FineTuningOptions;
  readonly opened: OpenRound;
  readonly round: Round;
  readonly number: number;
  readonly totals: Totals;
  readonly resume: Checkpoint | undefined;
}

async function fitRound(corpus: Corpus, job: RoundJob): Promise<FitSummary> {
  const { opened, round, fineTuning, values, options, targets } = job;
  const caches: AsyncDisposable[] = [];
  const thaw = fineTuning.batchNorm === 'frozen' ? freezeStatistics(opened.tail) : undefined;
  const cached = async (samples: Corpus, views: number): Promise<Corpus> => {
    if (!opened.trunk) return samples;
    const { scoreBatchSize: batchSize, seed } = values;
    const { cacheBytes: memoryBytes, cacheFolder: folder } = fineTuning;
    const { signal } = options;
    const augment = views > 1 ? fineTuning.augment : undefined;
    const cache = { memoryBytes, folder, batchSize: Math.min(16, batchSize), views, augment, seed, signal };
    const features = await frozenFeatures(samples, opened.trunk, cache);
    caches.push(features);
    return features;
  };
  try {
    const train = await targets.train(await cached(corpus, round.views));
    if (round.ridge !== undefined && !job.resume)
      await startAtRidge(opened.tail, train, { penalty: round.ridge, signal: options.signal });
    const validation = options.validation && targets.validation(await cached(options.validation, 1));
    return await job.fit(opened.tail, train, values, roundOptions(job, validation));
  } finally {
    thaw?.();
    for (const cache of caches) await cache[Symbol.asyncDispose]();
  }
}

function roundOptions({ model, opened, round, options, totals, resume, number }: RoundJob, validation?: Corpus) {
  const { resume: _whole, validation: _pixels, onEpoch, ...kept } = options;
  const whole = (snapshot: Snapshot) => wholeSnapshot(model, snapshot, number, totals);
  return {
    ...kept,
    ...(validation && { validation }),
    ...(round.learningRate !== undefined && { learningRate: round.learningRate }),
    ...(resume && { resume }),
    rateOf: (weight) => opened.rateOf(weight) * (options.rateOf?.(weight) ?? 1),
    onStep: (record, snapshot) => options.onStep?.(totals.shifted(record), () => whole(snapshot())),
    onEnd: (snapshot) => options.onEnd?.(whole(snapshot)),
    ...(onEpoch && { onEpoch: (epoch, measures) => onEpoch(Math.round(totals.epochs) + epoch, measures) }),
  } satisfies FitOptions;
}

/** Checks that a round trains what the one before it did. @returns the names of its weights */
function deeper({ tail }: OpenRound, before: ReadonlySet<string>, round: number): Set<string> {
  const names = new Set(tail.trainableWeights.map(({ originalName }) => originalName));
  for (const name of before)
    if (!names.has(name))
      throw new RunError(
        `fit(): \`fineTuning.rounds.${round}\`: expected it to train at least what the round before did, but \`${name}\` is left out. Order the rounds by depth.`,
        { round, name },
      );
  return names;
}

/** A snapshot of a round, with the weights that it does not train and with what the rounds before it did. */
function wholeSnapshot(model: tf.LayersModel, inner: Snapshot, number: number, totals: Totals): Snapshot {
  const { tensors, state } = inner;
  const frozen = model.weights
    .filter(({ originalName }) => !(`model/${originalName}` in tensors))
    .map((weight) => [`${WHOLE}${weight.originalName}`, weight.read()] as const);
  return {
    tensors: { ...tensors, ...Object.fromEntries<tf.Tensor>(frozen) },
    state: {
      ...state,
      ...totals.progress(state),
      fineTuning: { round: number, totals: totals.state(), inner: state } satisfies z.input<typeof RoundsState>,
    },
  };
}

function savedRound(resume: Checkpoint | undefined, rounds: number): z.output<typeof RoundsState> | undefined {
  if (!resume) return undefined;
  const parsed = RoundsState.safeParse(resume.state['fineTuning']);
  if (parsed.success && parsed.data.round < rounds) return parsed.data;
  throw new RunError(
    'fit(): `resume`: expected a checkpoint of a run in these rounds, got one of another run. Resume with the options that it began with.',
  );
}

const innerCheckpoint = ({ tensors }: Checkpoint, state: Readonly<Record<string, unknown>>): Checkpoint => ({
  tensors: Object.fromEntries(Object.entries(tensors).filter(([name]) => !name.startsWith(WHOLE))),
  state,
});

function restoreWhole(model: tf.LayersModel, tensors: Readonly<Record<string, TensorData>>): void {
  for (const weight of model.weights) {
    const found = tensors[`${WHOLE}${weight.originalName}`];
    if (!found) continue; // the round's own: its run puts it back
    if (found.shape.join() !== weight.shape.join())
      throw new RunError(
        `fit(): \`resume\`: expected \`${weight.originalName}\` of [${weight.shape.join(', ')}], got [${found.shape.join(', ')}]. The checkpoint is another model's.`,
      );
    tf.tidy(() => {
      weight.write(tf.tensor(found.data, [...found.shape]));
    });
  }
}
