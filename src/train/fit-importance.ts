import * as tf from '@tensorflow/tfjs';
import type { Corpus } from '../stream/sample.ts';
import { datasetCorpus } from './dataset-corpus.ts';
import type { FitOptions } from './fit-options.ts';
import { fit } from './fit.ts';
import type { Measures, StepRecord } from './step-record.ts';

/** What every callback of tfjs can do, whichever of its classes it is. */
export type TfjsCallback = Pick<
  tf.CustomCallback,
  | 'setParams'
  | 'setModel'
  | 'onTrainBegin'
  | 'onTrainEnd'
  | 'onEpochBegin'
  | 'onEpochEnd'
  | 'onBatchBegin'
  | 'onBatchEnd'
>;

/** tfjs callbacks, such as `tf.callbacks.earlyStopping(...)`, or plain functions by their names. */
export type Callbacks = TfjsCallback | tf.CustomCallbackArgs | readonly (TfjsCallback | tf.CustomCallbackArgs)[];

export type FitImportanceOptions = FitOptions & {
  /** tfjs callbacks, called as `model.fitDataset` calls them; a batch is a step. */
  readonly callbacks?: Callbacks;
};

/**
 * Trains with importance sampling, in place of `model.fitDataset`: takes the same compiled model, the same datasets or a
 * corpus, and the same callbacks, and gives the same history.
 *
 * An epoch is a pass over the samples fetched; the last one may be unfinished. Validation runs at each epoch's end.
 *
 * @returns the history: `loss` and the validation's measures as `val_<name>`, one value an epoch
 * @throws {OptionsError | ModelError | ShapeError | LabelError | ScoreError | LossError} as `fit` does
 * @example
 * const history = await fitImportance(model, dataset, { epochs: 5, batchSize: 32, presampleSize: 128 });
 * history.history.loss; // five losses
 */
export async function fitImportance(
  model: tf.LayersModel,
  data: Corpus | tf.data.Dataset<tf.TensorContainer>,
  options: FitImportanceOptions,
): Promise<tf.History> {
  const { callbacks = [], ...fitOptions } = options;
  const corpus = data instanceof tf.data.Dataset ? await datasetCorpus(data, model) : data;
  const history = new tf.History();
  const listeners = new Listeners([...asCallbacks(callbacks), history], model);
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;

  await listeners.begin({ epochs: options.epochs ?? null, steps: options.steps ?? null });
  await fit(model, corpus, {
    validateEvery: 'epoch',
    ...fitOptions,
    signal,
    async onStep(record, snapshot) {
      await options.onStep?.(record, snapshot);
      await listeners.step(record);
    },
    async onEpoch(epoch, measures) {
      await options.onEpoch?.(epoch, measures);
      await listeners.endEpoch(epoch, measures);
      if (model.stopTraining) stop.abort();
    },
  });
  await listeners.end();
  return history;
}

const asCallbacks = (callbacks: Callbacks): TfjsCallback[] =>
  [callbacks].flat().map((one) => ('setModel' in one ? one : new tf.CustomCallback(one, 'never')));

/** Tells tfjs callbacks what happens, in tfjs' order. */
class Listeners {
  readonly #callbacks: readonly TfjsCallback[];
  #epochBegun = false;
  #epoch = 0;
  #batch = 0;

  constructor(callbacks: readonly TfjsCallback[], model: tf.LayersModel) {
    this.#callbacks = callbacks;
    model.stopTraining = false;
    for (const callback of callbacks) callback.setModel(model);
  }

  async begin(params: Record<string, number | null>): Promise<void> {
    for (const callback of this.#callbacks) callback.setParams(params as Parameters<TfjsCallback['setParams']>[0]);
    for (const callback of this.#callbacks) await callback.onTrainBegin();
  }

  async step({ loss, phase }: StepRecord): Promise<void> {
    if (!this.#epochBegun) for (const callback of this.#callbacks) await callback.onEpochBegin(this.#epoch);
    this.#epochBegun = true;
    for (const callback of this.#callbacks) {
      await callback.onBatchBegin(this.#batch);
      await callback.onBatchEnd(this.#batch, { batch: this.#batch, loss, importance: Number(phase === 'importance') });
    }
    this.#batch += 1;
  }

  async endEpoch(epoch: number, { loss, validation = {} }: { loss: number; validation?: Measures }): Promise<void> {
    const validated = Object.entries(validation).map(([name, value]) => [`val_${name}`, value] as const);
    const logs = { loss, ...Object.fromEntries(validated) };
    for (const callback of this.#callbacks) await callback.onEpochEnd(epoch, logs);
    this.#epoch = epoch + 1;
    this.#batch = 0;
    this.#epochBegun = false;
  }

  async end(): Promise<void> {
    for (const callback of this.#callbacks) await callback.onTrainEnd();
  }
}
