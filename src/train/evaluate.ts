import * as tf from '@tensorflow/tfjs';
import { CorpusError } from '../errors.ts';
import { compile } from '../engine/compile.ts';
import { bindColumns, checkLabels, feedOf } from '../model/binding.ts';
import { compiledParts } from '../model/compiled.ts';
import type { Head } from '../model/head.ts';
import { likePrediction, weightedMean } from '../model/losses.ts';
import { inOrder, type LengthOptions } from '../presample/lengths.ts';
import { presample } from '../presample/presample.ts';
import { shutGate } from '../resample/tau-gate.ts';
import type { Corpus } from '../stream/sample.ts';
import type { Measures } from './step-record.ts';

export interface EvaluateOptions {
  /** Samples in one forward pass. @default 128 – guess */
  readonly batchSize?: number;
  /** Samples to look at, from the beginning, rounded up to whole batches; all of them without it. */
  readonly limit?: number | undefined;
  /** What is done about samples of different lengths; they keep their order, so there are no buckets. */
  readonly lengths?: LengthOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures a model on a corpus that is streamed, never held: the mean loss of the samples and the model's metrics, in
 * inference mode and in the corpus' own order.
 *
 * @returns `loss` and each metric by its tfjs name, means over the samples
 * @example
 * const { loss } = await evaluate(openHead(model), corpus, { limit: 500 });
 */
export async function evaluate(head: Head, corpus: Corpus, options: EvaluateOptions = {}): Promise<Measures> {
  const { batchSize = 128, limit = Infinity, lengths, signal } = options;
  const binding = bindColumns(head.model, corpus.schema);
  const metrics = metricsOf(head.model);
  const measure = compile((inputs: readonly tf.Tensor[], targets: readonly tf.Tensor[], mask: readonly tf.Tensor[]) => {
    const z = head.forward(inputs, false);
    const predictions = head.predictions(z);
    const values = metrics.map(({ of, output }) => {
      const predicted = predictions[output]!;
      return meanOf(of(likePrediction(targets[output]!, predicted), predicted), z[0]!, mask[0]);
    });
    return tf.stack([tf.mean(head.perSampleLoss(z, targets, mask[0])), ...values]);
  });

  const sums = new Float64Array(1 + metrics.length);
  let seen = 0;
  const samples = corpus.samples({ seed: 0, epochs: 1, shuffle: false, ...(signal ? { signal } : {}) });
  const sizes = { presampleSize: batchSize, batchSize, lengths: inOrder(lengths) };
  const batches = presample({ schema: corpus.schema, gate: shutGate(), ...sizes });
  for await (const batch of batches(samples)) {
    try {
      checkLabels(head, binding, batch);
      const values = tf.tidy(() => {
        const feed = feedOf(head.model, binding, batch);
        return measure(feed.inputs, feed.targets, feed.mask ? [feed.mask] : []);
      });
      (await values.data()).forEach((value, i) => (sums[i]! += value * batch.size));
      values.dispose();
    } finally {
      batch.release();
    }
    seen += batch.size;
    if (seen >= limit) break;
  }
  if (seen === 0)
    throw new CorpusError(
      `evaluate(): expected samples in corpus \`${corpus.name}\`, got none. Give a corpus that is not empty.`,
    );
  const names = ['loss', ...metrics.map(({ name }) => name)];
  return Object.fromEntries(names.map((name, i) => [name, sums[i]! / seen]));
}

/** The mean of a metric over the samples: of one value each, of one a step by the mask, or as it comes. */
function meanOf(values: tf.Tensor, z: tf.Tensor, mask: tf.Tensor | undefined): tf.Scalar {
  const isSteps = mask && values.size === mask.size;
  return isSteps ? tf.mean(weightedMean(tf.reshape(values, [z.shape[0], -1]), mask)) : tf.mean(values);
}

/** The metrics that the model was compiled with, without the losses that tfjs lists among them. */
function metricsOf(model: tf.LayersModel) {
  const { metricsTensors = [], lossFunctions = [], metricsNames = [] } = compiledParts(model);
  const losses = lossFunctions.length > 1 ? lossFunctions.length : 0; // tfjs lists those of several outputs first
  return metricsTensors.map(([of, output], i) => ({ of, output, name: metricsNames[i + 1]! })).slice(losses);
}
