import type * as tf from '@tensorflow/tfjs';
import type { Corpus } from '../stream/sample.ts';
import { copyModel } from './copy-model.ts';
import type { FitOptions, FitSettings } from './fit-options.ts';

/** Trains a copy of a model uniformly, in a share of a run's budget. */
export async function trainCopy(
  train: (model: tf.LayersModel, corpus: Corpus, options: FitOptions) => Promise<unknown>,
  model: tf.LayersModel,
  corpus: Corpus,
  values: FitSettings,
  share: number,
): Promise<tf.LayersModel> {
  const copy = await copyModel(model);
  const { batchSize, seed, clipNorm, weightDecay, steps, seconds, lengths, clock } = values;
  await train(copy, corpus, {
    batchSize,
    presampleSize: batchSize,
    seed,
    weightDecay,
    clock,
    scheme: 'uniform',
    ...(lengths && { lengths }),
    ...(clipNorm && { clipNorm }),
    ...(steps !== undefined && { steps: Math.ceil(share * steps) }),
    ...(seconds !== undefined && { seconds: share * seconds }),
    ...(steps === undefined && seconds === undefined && { epochs: 1 }),
  });
  return copy;
}
