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
  /** How many steps the parameters had taken that a presample is scored with. @default those of now */
  versionOf?(presample: Presample): number;
}

/** Scores of a micro-batch by a computation of its own. @returns [rows], owned by the caller */
export type ScoreBatch = (inputs: readonly tf.Tensor[], targets: readonly tf.Tensor[], mask?: tf.Tensor) => tf.Tensor1D;

export type ModelScorerOptions = {
  readonly schema: Schema;
  /** Samples in one forward pass; bounds the memory of scoring. */
  readonly scoreBatchSize: number;
} & (
  | { /** Scores by the head's pre-activations. */ readonly scheme: Pick<Scheme, 'name' | 'score'> }
  | { /** Scores by the whole model. */ readonly scoreBatch: ScoreBatch; readonly name: string }
);

/**
 * Scores presamples by one forward pass of a model, or by a computation of a scheme's own: in inference mode (dropout off, batch statistics frozen), in
 * micro-batches of `scoreBatchSize`.
 *
 * @throws {ShapeError} when the columns do not fit the model
 * @throws {LabelError} when a label lies outside the model's classes
 * @example
 * const scorer = modelScorer(head, { scheme: schemeOf('upper-bound'), schema, scoreBatchSize: 64 });
 * for await (const buffer of presamples) {
 *   const scores = await scorer.score(buffer); // one a sample
 *   buffer.release();
 * }
 */
export function modelScorer(head: Head, options: ModelScorerOptions): Scorer {
  const { schema, scoreBatchSize } = options;
  const compute = 'scoreBatch' in options ? options.scoreBatch : byHead(head, options.scheme);
  const binding = bindColumns(head.model, schema);
  const scoreBatch = compile(
    (inputs: readonly tf.Tensor[], targets: readonly tf.Tensor[], mask: readonly tf.Tensor[]) =>
      compute(inputs, targets, mask[0]),
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

/** A forward pass in inference mode, and the scheme's score. */
function byHead(head: Head, { name, score }: Pick<Scheme, 'name' | 'score'>): ScoreBatch {
  if (!score)
    throw new ModelError(`Scheme \`${name}\`: expected a scheme that scores, got one that never does. Choose another.`);
  return (inputs, targets, mask) => score(head, head.forward(inputs, false), targets, mask);
}
