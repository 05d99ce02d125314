import * as tf from '@tensorflow/tfjs';
import { ModelError } from '../errors.ts';
import { compile } from '../engine/compile.ts';
import { bindColumns, checkLabels, feedOf } from '../model/binding.ts';
import type { Head } from '../model/head.ts';
import type { Presample } from '../stream/presample.ts';
import type { Schema } from '../stream/columns.ts';
import type { Scheme } from './scheme.ts';

/** Anything that scores presamples: a model of ours, or a program elsewhere. */
export interface Scorer {
  /** The scores of every sample: unnormalised, at least 0. */
  score(presample: Presample): Promise<Float32Array /* [B] */>;
}

export interface ModelScorerOptions {
  readonly scheme: Scheme;
  readonly schema: Schema;
  /** Samples in one forward pass; bounds the memory of scoring. */
  readonly scoreBatchSize: number;
}

/**
 * Scores presamples by one forward pass of a model: in inference mode (dropout off, batch statistics frozen), in
 * micro-batches of `scoreBatchSize`.
 *
 * @throws {ShapeError} when the columns do not fit the model
 * @throws {LabelError} when a label lies outside the model's classes
 */
export function modelScorer(head: Head, { scheme, schema, scoreBatchSize }: ModelScorerOptions): Scorer {
  const { score } = scheme;
  if (!score)
    throw new ModelError(
      `Scheme \`${scheme.name}\`: expected a scheme that scores, got one that never does. Choose another.`,
    );
  const binding = bindColumns(head.model, schema);
  const scoreBatch = compile(
    (inputs: readonly tf.Tensor[], targets: readonly tf.Tensor[], mask: readonly tf.Tensor[]) =>
      score(head, head.forward(inputs, false), targets, mask[0]),
  );

  const scoreRows = (presample: Presample, begin: number, size: number): tf.Tensor =>
    tf.tidy(() => {
      const feed = feedOf(head.model, binding, presample);
      const rows = (value: tf.Tensor) => (size === presample.size ? value : value.slice(begin, size));
      return scoreBatch(feed.inputs.map(rows), feed.targets.map(rows), feed.mask ? [rows(feed.mask)] : []);
    });

  return {
    async score(presample) {
      checkLabels(head, binding, presample);
      const scores = new Float32Array(presample.size);
      for (let begin = 0; begin < presample.size; begin += scoreBatchSize) {
        const part = scoreRows(presample, begin, Math.min(scoreBatchSize, presample.size - begin));
        scores.set(await part.data(), begin);
        part.dispose();
      }
      return scores;
    },
  };
}
